"""The hand-driven pixel by AppTest: typed positions, undo, numbers that agree with the model."""

from __future__ import annotations

from typing import Any

import pytest

from ndcore.attacks import PixelChange, apply_changes
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.detectors import DivergenceDetector
from pages.ui.components.hand import read_pick
from tests.ui import linked, opened, texts

LAB = "pages/1_Attack_Lab.py"


@pytest.mark.spec("AL-9")
def test_a_typed_pixel_is_read_like_a_clicked_one(digits_bundle: Bundle) -> None:
    row = digits_bundle.gallery[0]
    found = row.pixels[0]
    at = opened(LAB, images=str(row.id), way="hand")
    at.number_input(key="free_row").set_value(found.row)
    at.number_input(key="free_col").set_value(found.col)
    next(button for button in at.button if button.label == "Set this pixel").click().run()
    assert not at.exception
    source = open_source("digits")
    image = source.pixels([source.index(row.id)])[0]
    attacked = apply_changes(image, [PixelChange(found.row, found.col, (), (255,))])
    reading = digits_bundle.read(attacked[None])
    label = int(reading.predicted[0])
    sure = 100 * float(reading.probabilities[0, label])
    told = texts(at)
    assert f"## {digits_bundle.classes[label]} {sure:.1f}%" in told
    assert f"row {found.row}, column {found.col} → grey 255" in told
    assert told.count("(untouched: ") == 2, "p-value and score"
    at.button(key="free_undo").click().run()
    assert "Untouched. Pick a pixel." in texts(at)
    assert at.number_input(key="free_row").value == found.row, "the typed place stays"


def test_the_typed_numbers_follow_the_picture(digits_bundle: Bundle) -> None:
    at = opened(LAB, images=str(digits_bundle.gallery[0].id), way="hand")
    for place in ((2, 3), (5, 1)):
        at.number_input(key="free_row").set_value(place[0])
        at.number_input(key="free_col").set_value(place[1])
        next(button for button in at.button if button.label == "Set this pixel").click().run()
    at.button(key="free_undo").click().run()
    assert not at.exception
    assert "row 2, column 3" in texts(at)
    assert (at.number_input(key="free_row").value, at.number_input(key="free_col").value) == (2, 3)


def test_where_nothing_changed_neither_model_nor_detector_is_asked_again(
    digits_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = opened(LAB, images=str(digits_bundle.gallery[0].id), way="hand")
    told = texts(at)
    assert "**Divergence** p = " in told
    asked: list[str] = []
    for of, name in ((Bundle, "read"), (DivergenceDetector, "explain")):
        does = getattr(of, name)

        def counted(*args: Any, does: Any = does, name: str = name) -> Any:
            asked.append(name)
            return does(*args)

        monkeypatch.setattr(of, name, counted)
    at.run()
    assert (texts(at), asked) == (told, [])
    at.number_input(key="free_row").set_value(2)
    next(button for button in at.button if button.label == "Set this pixel").click().run()
    assert asked == ["read", "explain"]
    assert texts(at) != told


@pytest.mark.usefixtures("digits_bundle")
def test_what_was_set_by_hand_opens_elsewhere() -> None:
    at = opened(LAB, images="digits:3,5", way="hand", hand_image="digits:5")
    at.toggle(key="free_several").set_value(True).run()
    for place in ((2, 3), (5, 1)):
        at.number_input(key="free_row").set_value(place[0])
        at.number_input(key="free_col").set_value(place[1])
        next(button for button in at.button if button.label == "Set this pixel").click().run()
    assert linked(at, "hand") == "2.3.ffffff~5.1.ffffff"
    link = {name: linked(at, name) for name in at.query_params}
    found = opened(LAB, **link)
    assert not found.exception
    assert not found.warning
    assert found.selectbox(key="hand_image").value == "digits:5"
    assert found.toggle(key="free_several").value
    assert "row 2, column 3 → grey 255; row 5, column 1 → grey 255" in texts(found)
    found.selectbox(key="hand_image").set_value("digits:3").run()
    assert "Untouched. Pick a pixel." in texts(found)
    assert "hand" not in found.query_params


@pytest.mark.parametrize(
    "pixels",
    ["", "x", "<b>", "9.9.ff0000", "1.1.ff", "1.1", "1.1.ff0000~", "~".join(["1.1.ff0000"] * 6)],
)
@pytest.mark.usefixtures("digits_bundle")
def test_pixels_that_make_no_sense_are_one_sentence(pixels: str) -> None:
    at = opened(LAB, images="digits:3", way="hand", hand=pixels)
    assert not at.exception
    assert ["changed pixels" in warning.value for warning in at.warning] == [True]
    assert "Untouched. Pick a pixel." in texts(at)
    assert not at.run().warning, "said once"


@pytest.mark.parametrize("field", ["stamp", "row", "col"])
def test_an_infinite_number_from_a_browser_is_no_pick(field: str) -> None:
    # JSON's 1e999 is read as infinity.
    value = {"by": "pixel", "stamp": 1, "colour": "#ff0000", "row": 1, "col": 0}
    assert read_pick(value | {field: float("inf")}, (8, 8, 1)) is None
    assert read_pick(value | {field: float("nan")}, (8, 8, 1)) is None
