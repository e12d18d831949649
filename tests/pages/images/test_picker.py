"""Choosing images: what was read once is not read again."""

from __future__ import annotations

from typing import Any

import pytest

from ndcore.activations.reading import Reading
from ndcore.bundles.bundle import Bundle
from pages.ui.frame.page_list import LAB
from tests.ui import GOOD, opened, texts


@pytest.mark.usefixtures("digits_bundle")
def test_an_upload_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    read = Bundle.read

    def counted(bundle: Bundle, pixels: Any) -> Reading:
        reads.append(len(pixels))
        return read(bundle, pixels)

    monkeypatch.setattr(Bundle, "read", counted)
    at = opened(LAB.path, source="upload")
    reads.clear()
    at.file_uploader[0].upload("grey.png", GOOD["grey.png"]).run()
    assert "The model sees" in texts(at)
    assert len(reads) == 1
    at.run()
    assert "The model sees" in texts(at)
    assert len(reads) == 1


@pytest.mark.usefixtures("digits_bundle")
def test_other_images_begin_on_their_first_page() -> None:
    at = opened(LAB.path, screen="3", filter="3")
    assert at.number_input(key="screen").value == 3
    at.multiselect(key="filter").set_value(["3", "4"]).run()
    assert at.number_input(key="screen").value == 1
    assert "screen" not in at.query_params


@pytest.mark.usefixtures("digits_bundle")
def test_images_of_one_class_are_told_apart_by_their_labels() -> None:
    labels = [box.label for box in opened(LAB.path, filter="3").checkbox]
    assert len(labels) > 5
    assert len(set(labels)) == len(labels)
    assert all(label.startswith("3 ") for label in labels)
