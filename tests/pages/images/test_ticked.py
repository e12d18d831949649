"""Ids of ticked images as the text of a link, and back."""

from __future__ import annotations

import pytest

from pages.ui.images.ticked import MOST_IMAGES, ids_from_link, ids_to_link


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        ([], ""),
        (["samples:0"], "samples:0"),
        (["samples:0", "samples:3", "samples:7", "samples:8", "samples:9"], "samples:0,3,7-9"),
        (["cifar10-test:5", "cifar10-train:6"], "cifar10-test:5,cifar10-train:6"),
        (["train/cat/0001", "samples:1", "train/cat/0002"],
         "train/cat/0001,samples:1,train/cat/0002"),
        (["digits:2", "digits:1"], "digits:2,1"),
    ],
)  # fmt: skip
def test_ids_survive_a_link(ids: list[str], text: str) -> None:
    assert ids_to_link(ids) == text
    assert ids_from_link(text) == ids


def test_links_are_bounded_and_nonsense_stays_itself() -> None:
    assert ids_to_link([f"cifar10-test:{7 * i}" for i in range(2000)]) == ""
    assert len(ids_from_link("samples:0-999999999")) == MOST_IMAGES
    assert ids_from_link("<b>,samples:x,,9") == ["<b>", "samples:x", "9"]
