"""The Explorer's tray by AppTest on digits: add, switch, remove, make current, links, colours."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from ndcore.activations.reading import Reading
from ndcore.analysis.natural_errors import NaturalError, find_errors
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.figures.style.marks import SHAPES, mark_image
from ndcore.figures.style.palette import ATTACKED, BENIGN, instance_colours
from pages.ui.frame.page_list import PAGES
from pages.ui.images import natural_errors as natural
from pages.ui.images.tray import SLOTS, entries_from_link
from tests.colour_vision import VISION, contrast, lab
from tests.ui import BAD, GOOD, captions, ended, job_of, opened, texts

SHAPE = (8, 8, 1)
APP = """
import streamlit as st
from pages.ui.explorer.instances import instances_view
from pages.ui.frame.page import setup
from pages.ui.images.tray import show_only

bundle = setup("Tray")
st.session_state["shown"] = instances_view(bundle)
st.button("Only the attacked one", key="only", on_click=show_only, args=(bundle, ["attacked"]))
"""


@pytest.fixture
def app(tmp_path: Path, digits_bundle: Bundle) -> Path:
    """A page with nothing but the tray, and a page for its link to the lab."""
    page = tmp_path / "Home.py"
    page.write_text(APP)
    (tmp_path / "pages").mkdir()
    for each in PAGES:
        (tmp_path / each.path).write_text("")
    return page


def tray(app: Path, **link: str) -> AppTest:
    at = AppTest.from_file(str(app), default_timeout=60)
    for name, value in ({"bundle": "digits-cnn"} | link).items():
        at.query_params[{"with_": "with"}.get(name, name)] = value
    at.run()
    assert not at.exception
    return at


def keys(at: AppTest) -> list[str]:
    assert not at.exception
    return [image.key for image in at.session_state["shown"]]


def link(at: AppTest, name: str) -> str:
    value = at.query_params.get(name, "")
    return value if isinstance(value, str) else value[0]


def tokens(bundle: Bundle) -> list[str]:
    """Tokens of different gallery attacks."""
    found = []
    for row in bundle.gallery:
        pixel = row.pixels[0]
        colour = bytes(pixel.after[:1]).hex()
        found.append(f"{row.id}~{pixel.row}.{pixel.col}.{colour}")
    assert len(found) >= 3
    return found


def adding(at: AppTest, way: str) -> AppTest:
    """The page with the adding box open at one of its tabs."""
    at.session_state["add_instance"] = True
    at.session_state["add_way"] = way
    return at.run()


def mistakes(bundle: Bundle) -> tuple[NaturalError, ...]:
    found = find_errors(bundle, open_source("digits"))
    assert found
    return found


@pytest.mark.spec("UX-6")
def test_an_empty_tray_says_what_to_do(app: Path) -> None:
    at = tray(app)
    assert keys(at) == []
    assert "Attack one in the Attack Lab, or add an instance" in at.info[0].value
    assert at.get("page_link")


def test_the_current_pair_comes_first_in_ink_and_red(app: Path, digits_bundle: Bundle) -> None:
    pair, other = tokens(digits_bundle)[:2]
    at = tray(app, pair=pair, with_=other)
    assert keys(at) == ["benign", "attacked", "2.benign", "2.attacked"]
    first = digits_bundle.gallery[0]
    benign, attacked, ring, diamond = at.session_state["shown"]
    assert (benign.colour, benign.shape, benign.entry) == ("ink", "circle", 1)
    assert (attacked.colour, attacked.shape) == (ATTACKED, "diamond")
    assert attacked.label == f"attacked → {first.predicted_after}"
    assert benign.label_true == digits_bundle.class_index(first.true)
    assert (ring.shape, diamond.shape, ring.entry) == ("ring", "diamond", 2)
    assert ring.colour == diamond.colour == instance_colours(7, "light")[0]
    assert diamond.label == f"2 attacked → {digits_bundle.gallery[1].predicted_after}"
    assert np.count_nonzero((benign.pixels != attacked.pixels).any(-1)) == 1
    predicted = digits_bundle.read(
        np.stack([i.pixels for i in at.session_state["shown"]])
    ).predicted
    assert [image.predicted for image in at.session_state["shown"]] == predicted.tolist()
    assert "**1 current**" in texts(at)
    assert f"taken for {first.predicted_after} (" in captions(at)


@pytest.mark.spec("ND-6")
def test_each_image_goes_on_and_off_alone_and_the_link_keeps_it(
    app: Path, digits_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair, other = tokens(digits_bundle)[:2]
    reads: list[int] = []
    read = Bundle.read

    def counted(bundle: Bundle, pixels: Any) -> Reading:
        reads.append(len(pixels))
        return read(bundle, pixels)

    monkeypatch.setattr(Bundle, "read", counted)
    at = tray(app, pair=pair, with_=other)
    assert reads == [4], "all images in one pass"
    at.toggle(key="show_2.attacked").set_value(False).run()
    at.toggle(key="show_benign").set_value(False).run()
    assert keys(at) == ["attacked", "2.benign"]
    assert reads == [4], "a switch computes nothing"
    assert link(at, "off") == "benign,2.attacked"
    again = tray(app, pair=pair, with_=link(at, "with"), off=link(at, "off"))
    assert keys(again) == ["attacked", "2.benign"]
    again.toggle(key="show_benign").set_value(True).run()
    assert keys(again) == ["benign", "attacked", "2.benign"]
    assert link(again, "off") == "2.attacked"


def test_removing_leaves_the_others_their_number_and_colour(
    app: Path, digits_bundle: Bundle
) -> None:
    pair, second, third = tokens(digits_bundle)[:3]
    at = tray(app, pair=pair, with_=f"{second};{third}", off="2.benign,3.benign")
    colour = at.session_state["shown"][-1].colour
    at.button(key="remove_2").click().run()
    assert keys(at) == ["benign", "attacked", "3.attacked"]
    assert at.session_state["shown"][-1].colour == colour
    assert link(at, "with") == f";{third}"
    assert link(at, "off") == "3.benign"
    again = tray(app, pair=pair, with_=link(at, "with"))
    assert keys(again) == ["benign", "attacked", "3.benign", "3.attacked"]
    again.button(key="remove_1").click().run()
    assert keys(again) == ["3.benign", "3.attacked"]
    assert link(again, "pair") == "-"
    again.button(key="remove_3").click().run()
    assert keys(again) == []
    assert not link(again, "with")


def test_make_current_changes_places(app: Path, digits_bundle: Bundle) -> None:
    pair, second = tokens(digits_bundle)[:2]
    at = tray(app, pair=pair, with_=second, off="2.benign")
    at.button(key="current_2").click().run()
    assert keys(at) == ["benign", "attacked", "2.benign", "2.attacked"]
    assert (link(at, "pair"), link(at, "with")) == (second, pair)
    label = digits_bundle.gallery[1].predicted_after
    assert at.session_state["shown"][1].label == f"attacked → {label}"


def test_what_is_current_and_in_the_tray_shows_once(app: Path, digits_bundle: Bundle) -> None:
    pair, second = tokens(digits_bundle)[:2]
    at = tray(app, pair=pair, with_=f"{pair};{second};{second}")
    assert keys(at) == ["benign", "attacked", "3.benign", "3.attacked"]
    at.button(key="current_3").click().run()
    assert keys(at) == ["benign", "attacked", "2.benign", "2.attacked"]
    at.button(key="remove_1").click().run()
    assert keys(at) == ["2.benign", "2.attacked"]


def test_a_view_can_ask_for_certain_images(app: Path, digits_bundle: Bundle) -> None:
    pair, second = tokens(digits_bundle)[:2]
    at = tray(app, pair=pair, with_=second)
    at.button(key="only").click().run()
    assert keys(at) == ["attacked"]
    assert link(at, "off") == "benign,2.benign,2.attacked"


def test_gallery_attacks_are_added(app: Path, digits_bundle: Bundle) -> None:
    at = adding(tray(app), "From the gallery")
    row = digits_bundle.gallery[0]
    box = at.selectbox(key="add_attack")
    assert box.options[1] == f"{row.predicted_before} → {row.predicted_after}, {row.id}"
    box.select_index(1).run()
    at.button(key="add_it").click().run()
    assert keys(at) == ["benign", "attacked"], "the first attack becomes the current pair"
    assert link(at, "pair") == tokens(digits_bundle)[0]
    at.selectbox(key="add_attack").select_index(2).run()
    at.button(key="add_it").click().run()
    assert keys(at) == ["benign", "attacked", "2.benign", "2.attacked"]
    assert link(at, "with") == tokens(digits_bundle)[1]
    at.button(key="add_it").click().run()
    assert "already" in at.toast[0].value
    assert len(keys(at)) == 4


@pytest.mark.spec("SP-3")
def test_natural_errors_are_found_by_a_job_and_added(app: Path, digits_bundle: Bundle) -> None:
    at = adding(tray(app), "Natural error")
    assert "never learned from is read once" in texts(at)
    at.button(key="find_errors").click().run()
    assert ended(job_of(at, "error-search")).state == "done"
    at.run()
    found = mistakes(digits_bundle)
    first = found[0]
    true, predicted = (digits_bundle.classes[i] for i in (first.true, first.predicted))
    at.selectbox(key="error_true").set_value(true).run()
    at.selectbox(key="error_predicted").set_value(predicted).run()
    box = at.selectbox(key="error")
    kind = [e for e in found if (e.true, e.predicted) == (first.true, first.predicted)]
    assert len(box.options) == len(kind)
    assert box.options[0].startswith(f"{true} → {predicted}, ")
    at.button(key="add_it").click().run()
    assert keys(at) == ["2.image"]
    error = at.session_state["shown"][0]
    assert (error.shape, error.label) == ("triangle", f"2 error: {true} → {predicted}")
    assert (error.predicted, error.label_true) == (first.predicted, first.true)
    assert link(at, "with") == first.image_id
    none = next(c for c in digits_bundle.classes if c != true)
    at.selectbox(key="error_true").set_value(none).run()
    at.selectbox(key="error_predicted").set_value(none).run()
    assert "is of this kind" in at.info[0].value
    other = adding(tray(app, with_=first.image_id), "Natural error")
    assert not [b for b in other.button if b.key == "find_errors"], "kept for everyone"
    assert keys(other) == ["2.image"]
    assert other.session_state["shown"][0].shape == "triangle"


def test_a_search_for_errors_can_be_stopped(
    app: Path, digits_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = mistakes(digits_bundle)[:1]

    def endless(bundle, source, members, *, on_batch, should_stop):
        on_batch(128, some)
        while not should_stop():
            time.sleep(0.005)

    monkeypatch.setattr("ndcore.tasks.natural_errors.find_errors", endless)
    at = adding(tray(app), "Natural error")
    at.button(key="find_errors").click().run()
    at.button(key="stop_error-search").click().run()
    assert ended(job_of(at, "error-search")).state == "cancelled"
    at.run()
    assert "Stopped after 128 of" in texts(at)
    assert "1 of 1 errors" in at.selectbox(key="error").label
    monkeypatch.undo()
    monkeypatch.setenv("ND_CACHE", str(digits_bundle.folder.parents[1]))
    at.button(key="find_errors").click().run()
    ended(job_of(at, "error-search"))
    at.run()
    assert "Stopped" not in texts(at)


def test_few_images_are_looked_at_at_once(
    app: Path, digits_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = mistakes(digits_bundle)[0]
    monkeypatch.setattr(natural, "held_out", lambda bundle, source: [error.position])
    at = adding(tray(app), "Natural error")
    assert "1 of 1 errors" in at.selectbox(key="error").label


@pytest.mark.parametrize(
    ("image_id", "told"),
    [("digits:99999", "no image"), ("samples:3", "the model takes"), ("x", "no id"),
     ("../../etc/passwd", "no id"), ("moon:1", "no image source")],
)  # fmt: skip
def test_an_image_is_added_by_id(
    app: Path, digits_bundle: Bundle, image_id: str, told: str
) -> None:
    at = adding(tray(app), "Image")
    at.text_input(key="add_image").set_value(image_id).run()
    assert len(at.error) == 1
    assert told in at.error[0].value.lower()
    right = digits_bundle.gallery[0].id
    at.text_input(key="add_image").set_value(f" {right} ").run()
    at.button(key="add_it").click().run()
    assert keys(at) == ["2.image"]
    image = at.session_state["shown"][0]
    assert (image.shape, image.label) == ("square", f"2 image → {digits_bundle.gallery[0].true}")


@pytest.mark.parametrize("name", ["empty.png", "text.png"])
def test_an_upload_lives_in_the_session_only(app: Path, digits_bundle: Bundle, name: str) -> None:
    at = adding(tray(app, with_=tokens(digits_bundle)[0]), "Upload")
    at.file_uploader[0].upload(name, BAD[name]).run()
    assert len(at.error) == 1
    assert name in at.error[0].value
    at.file_uploader[0].upload("my_[x](y) grey.png", GOOD["grey.png"]).run()
    at.button(key="add_it").click().run()
    assert keys(at) == ["2.benign", "2.attacked", "3.image"]
    image = at.session_state["shown"][-1]
    assert image.shape == "square"
    assert image.label.startswith("3 upload → ")
    assert image.label_true is None
    assert link(at, "with") == tokens(digits_bundle)[0]
    told = texts(at)
    assert "a link cannot hold them" in told
    assert "true class unknown" in told
    assert "[x](y)" not in told


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("with", "digits:99999", "no image"), ("with", "samples:3", "the model takes"),
     ("with", "digits:1~x", "damaged pixel"), ("with", "../etc", "names no image"),
     ("with", "digits:1~99.99.ff", "Instance 2"), ("with", "<b>", "names no image"),
     ("with", ";".join(["digits:1"] * 9), "left out"), ("with", "a;" * 5000, "left out"),
     ("off", "moon", "moon"), ("off", "9.benign", "9.benign")],
)  # fmt: skip
def test_a_bad_link_is_one_sentence_and_the_rest_works(
    app: Path, digits_bundle: Bundle, name: str, value: str, told: str
) -> None:
    at = tray(app, pair=tokens(digits_bundle)[0], **{{"with": "with_"}.get(name, name): value})
    assert keys(at)[:2] == ["benign", "attacked"]
    assert len(at.warning) == 1
    assert told in at.warning[0].value
    at.run()
    assert not at.warning, "said once"
    assert not at.error


def test_a_bad_pair_leaves_the_further_instances(app: Path, digits_bundle: Bundle) -> None:
    at = tray(app, pair="digits:99999", with_=f"nothing:1;{tokens(digits_bundle)[1]}")
    assert len(at.error) == 1
    assert len(at.warning) == 1
    assert keys(at) == ["3.benign", "3.attacked"]


def test_a_link_holds_eight_and_no_more() -> None:
    text = ";".join(f"digits:{i}" for i in range(9))
    entries, problems = entries_from_link(text, SHAPE)
    assert list(entries) == list(SLOTS)
    assert len(problems) == 1
    entries, problems = entries_from_link("digits:1;;digits:1;digits:2", SHAPE)
    assert sorted(entries) == [2, 5], "empty slots stay empty, the same image comes once"
    assert not problems


def test_a_full_tray_takes_no_more(app: Path, digits_bundle: Bundle) -> None:
    seven = ";".join(f"digits:{i}" for i in range(7))
    at = tray(app, pair=tokens(digits_bundle)[0], with_=seven)
    assert len(keys(at)) == 9
    assert len({image.colour for image in at.session_state["shown"]}) == 9
    at.session_state["add_instance"] = True
    at.run()
    assert not [box for box in at.selectbox if box.key.startswith("add_")]
    at.session_state["add_instance"] = False
    at.button(key="remove_4").click().run()
    adding(at, "Image").text_input(key="add_image").set_value("digits:50").run()
    at.button(key="add_it").click().run()
    assert "4.image" in keys(at), "the free slot is taken"
    assert not at.session_state["add_instance"], "full again, so the box closes"


@pytest.mark.spec("AL-11")
def test_the_lab_adds_to_the_tray_and_keeps_the_first(digits_bundle: Bundle) -> None:
    at = opened("pages/1_Attack_Lab.py", source="gallery")
    at.button(key="gallery_to_tray").click().run()
    assert "current pair" in at.toast[0].value
    ids = [row.id for row in digits_bundle.gallery]
    at.query_params["gallery_row"] = ids[1]
    at.run()
    at.button(key="gallery_to_tray").click().run()
    assert "instance 2" in at.toast[0].value
    at.query_params["gallery_row"] = ids[2]
    at.run()
    at.button(key="gallery_to_explorer").click().run()
    assert not at.exception
    assert at.session_state["pair"][1].image_id == ids[2], "sending replaces the current pair"
    held = next(iter(at.session_state["tray"].values()))
    assert [entry.name for entry in held.values()] == [ids[1]]


@pytest.mark.spec("ND-5")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_instance_colours_are_told_apart(theme: str) -> None:
    colours = instance_colours(7, theme)
    assert len({*colours, ATTACKED, BENIGN[theme]}) == 9
    page = {"light": "#ffffff", "dark": "#0f141d"}[theme]
    assert all(contrast(colour, page) >= 3 for colour in colours)
    for vision in VISION:
        for first, second in itertools.combinations([*colours, ATTACKED, BENIGN[theme]], 2):
            distance = np.linalg.norm(lab(first, vision) - lab(second, vision))
            assert distance > 20, (vision, first, second, distance)


@pytest.mark.parametrize("shape", SHAPES)
def test_marks_are_pictures_of_their_colour(shape: str) -> None:
    address = mark_image(shape, "#123456")
    assert address.startswith("data:image/svg+xml;base64,")
    assert address != mark_image(shape, "#654321")
