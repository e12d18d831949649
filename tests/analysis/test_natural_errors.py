from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ndcore.analysis.natural_errors import BATCH, find_errors, held_out
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.data.sources import ImageSource
from ndcore.errors import BadRequestError


@pytest.fixture
def digits() -> ImageSource:
    return open_source("digits")


@pytest.mark.spec("SP-3")
def test_errors_are_those_of_a_direct_computation(
    digits_bundle: Bundle, digits: ImageSource
) -> None:
    found = find_errors(digits_bundle, digits)
    members = np.array(held_out(digits_bundle, digits))
    reading = digits_bundle.read(digits.pixels(members))
    wrong = np.flatnonzero(reading.predicted != digits.labels[members])
    assert len(wrong) > 0
    assert {error.position for error in found} == set(members[wrong].tolist())
    for error in found:
        row = int(np.flatnonzero(members == error.position)[0])
        assert error.image_id == digits.ids[error.position]
        assert error.true == digits.labels[error.position]
        assert error.predicted == reading.predicted[row] != error.true
        assert error.confidence == pytest.approx(reading.probabilities[row].max(), abs=1e-5)
    sure = [error.confidence for error in found]
    assert sure == sorted(sure, reverse=True)
    assert find_errors(digits_bundle, digits) == found


def test_training_images_are_never_looked_at(digits_bundle: Bundle, digits: ImageSource) -> None:
    keys = digits.keys()
    looked = {keys[i] for i in held_out(digits_bundle, digits)}
    splits = digits_bundle.splits
    assert looked == {*splits["dev"], *splits["calibration"], *splits["evaluation"]}
    assert not looked & set(splits["reference"])


def test_a_source_beyond_the_splits_is_looked_at_whole(
    digits_bundle: Bundle, digits: ImageSource
) -> None:
    other = replace(digits, ids=tuple(f"other:{i}" for i in range(len(digits))))
    assert held_out(digits_bundle, other) == list(range(len(digits)))
    reference = digits_bundle.splits["reference"]
    learned = replace(
        digits, ids=tuple(reference[:20]), labels=digits.labels[:20], parts=digits.parts[:20]
    )
    assert held_out(digits_bundle, learned) == []
    assert find_errors(digits_bundle, learned) == ()


def test_members_progress_and_stop(digits_bundle: Bundle, digits: ImageSource) -> None:
    members = held_out(digits_bundle, digits)[: 3 * BATCH - 5]
    told: list[int] = []
    whole = find_errors(digits_bundle, digits, members, on_batch=lambda n, _: told.append(n))
    assert told == [BATCH, BATCH, BATCH - 5]
    read: list[int] = []
    part = find_errors(
        digits_bundle,
        digits,
        members,
        on_batch=lambda n, _: read.append(n),
        should_stop=lambda: len(read) >= 2,
    )
    assert sum(read) == 2 * BATCH
    assert set(part) == {error for error in whole if error.position in members[: 2 * BATCH]}


def test_a_foreign_source_is_refused(digits_bundle: Bundle) -> None:
    with pytest.raises(BadRequestError, match="other classes"):
        find_errors(digits_bundle, open_source("samples"))
