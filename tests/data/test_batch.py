"""Images with their names: parts of them, two of them joined, and what an extension adds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from ndcore.data.batch import UNKNOWN, ImageBatch
from ndcore.data.catalog import open_source


@dataclass(frozen=True)
class Named(ImageBatch):
    kinds: tuple[str, ...]
    places: NDArray[np.int64]
    title: str


@pytest.fixture
def batch() -> Named:
    return Named.of(
        open_source("digits"),
        [3, 5, 8],
        kinds=("a", "b", "c"),
        places=np.array([[0, 1], [2, 3], [4, 5]]),
        title="three",
    )


def test_of_a_source_the_ids_can_be_looked_up(batch: Named) -> None:
    source = open_source("digits")
    assert batch.ids == ("digits:3", "digits:5", "digits:8")
    assert np.array_equal(batch.pixels, source.pixels([3, 5, 8]))
    assert batch.labels.tolist() == source.labels[[3, 5, 8]].tolist()
    assert UNKNOWN not in batch.labels


@pytest.mark.parametrize("rows", [slice(1, 3), [1, 2], np.array([False, True, True])])
def test_a_part_takes_every_column_along(batch: Named, rows: object) -> None:
    part = batch.take(rows)
    assert (len(part), part.ids, part.kinds) == (2, ("digits:5", "digits:8"), ("b", "c"))
    assert part.places.tolist() == [[2, 3], [4, 5]]
    assert np.array_equal(part.pixels, batch.pixels[1:])
    assert part.title == "three"


def test_two_are_joined_in_their_order(batch: Named) -> None:
    both = batch.take([2]).plus(batch.take([0]))
    assert (both.ids, both.kinds, both.title) == (("digits:8", "digits:3"), ("c", "a"), "three")
    assert both.labels.tolist() == batch.labels[[2, 0]].tolist()
