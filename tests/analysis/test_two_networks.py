"""Two networks on the same images: a second one whose answers are known by construction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ndcore.analysis.two_networks import Network, compared, require_comparable
from ndcore.bundles.bundle import Bundle
from ndcore.errors import BadRequestError

NAN = np.nan


class Result:
    """What `compared` reads of an AttackResult."""

    def __init__(self, known: bool, success: bool, stopped: bool = False) -> None:
        self.id, self.true, self.predicted_before = "a", 0, 0 if known else 1
        self.success, self.stopped, self.skipped = success, stopped, not known
        self.tried, self.queries = known, 7
        self.benign = self.attacked = np.zeros((2, 2, 1), np.uint8)


class Answers:
    """A bundle whose network takes every image for class `predicted`."""

    name, classes, shape = "fixed", ("a", "b"), (2, 2, 1)

    def __init__(self, predicted: int) -> None:
        self.predicted = predicted

    def read(self, pixels: Any) -> Any:
        return type("Reading", (), {"predicted": np.full(len(pixels), self.predicted)})


def network(results: list[Result], predicted: int, alarms: list[float], caught: list[float]) -> Any:
    answers: Any = Answers(predicted)
    found: Any = tuple(results)
    undecided = np.zeros(len(results), bool)
    undecided[:1] = True
    return Network(answers, "d", found, np.array(alarms), np.array(caught), undecided)


def test_only_what_both_know_and_finished_is_paired() -> None:
    yes, no, unknown = (True, True), (True, False), (False, False)
    first = network(
        [Result(*each) for each in (yes, yes, no, no, unknown, no)] + [Result(True, False, True)],
        1,
        [0, 1, 0, 0, NAN, 0, 0],
        [1, 0, NAN, NAN, NAN, NAN, NAN],
    )
    second = network(
        [Result(*each) for each in (yes, no, yes, no, yes, unknown, yes)],
        0,
        [0, 0, 0, 0, 0, NAN, 0],
        [0, NAN, 0, NAN, 1, NAN, 1],
    )
    found = compared(first, second)
    rows = {row["what"]: row for row in found["rows"]}

    assert found["images_compared"] == 6  # the stopped one is in no figure
    assert found["known_to_both"] == 4
    assert found["broken_in"] == {"both": 1, "first": 1, "second": 1, "neither": 1}
    assert [rate["rate"] for rate in rows["right"]["rates"]] == [5 / 6, 5 / 6]
    assert [rate["rate"] for rate in rows["broken"]["rates"]] == [0.5, 0.5]
    assert rows["broken"]["gap"]["mean"] == 0
    # The second network takes everything for the true class, the first nothing.
    assert [rate["rate"] for rate in rows["carries over"]["rates"]] == [0, 1]
    assert rows["carries over"]["gap"] is None
    assert [(r["rate"], r["n"]) for r in rows["caught"]["rates"]] == [(0.5, 2), (0, 2)]
    assert [(r["rate"], r["n"]) for r in rows["broken and unnoticed"]["rates"]] == [
        (0.25, 4),
        (0.5, 4),
    ]
    assert found["undecided"] == [1, 1]
    assert rows["false alarm"]["gap"]["mean"] == -0.25
    assert found["images"][2]["caught"] == [None, False]


def test_without_a_detector_nothing_is_unnoticed_or_noticed() -> None:
    first, second = (
        replace(network([Result(True, broken)] * 2, 0, [NAN] * 2, [NAN] * 2), detector="")
        for broken in (True, False)
    )
    rows = {row["what"]: row for row in compared(first, second)["rows"]}
    for what in ("caught", "broken and unnoticed", "false alarm"):
        assert [(rate["rate"], rate["n"]) for rate in rows[what]["rates"]] == [(None, 0)] * 2
        assert rows[what]["gap"] is None


def test_nothing_to_pair_is_no_number() -> None:
    nothing = network([Result(False, False)], 0, [NAN], [NAN])
    row = next(row for row in compared(nothing, nothing)["rows"] if row["what"] == "broken")
    assert row["gap"] is None
    assert [rate["rate"] for rate in row["rates"]] == [None, None]


def test_other_pixels_or_classes_are_refused(digits_bundle: Bundle) -> None:
    other: Any = Answers(0)
    with pytest.raises(BadRequestError, match="compared on the same pixels"):
        require_comparable(digits_bundle, other)
    other.shape = digits_bundle.shape
    with pytest.raises(BadRequestError, match="tell different classes apart"):
        require_comparable(digits_bundle, other)
