"""Parts of the Attack Lab without a page: the hand, links of ids, files, words."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest

from ndcore.attacks import AttackConfig, AttackResult, PixelChange, attack_images, summarise
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.data.pairs import Pair
from pages.ui.components.hand import MOST_SPOTS, Hand, Pick, read_pick
from pages.ui.elements.class_matrix import clicked_cell
from pages.ui.elements.pictures import rings
from pages.ui.frame.words import colour_words, with_article
from pages.ui.images.ticked import MOST_IMAGES, ids_from_link, ids_to_link
from pages.ui.lab.downloads import results_csv, results_json, results_npz, results_png
from pages.ui.lab.grid_map import map_rows, map_words
from pages.ui.lab.result import pair_of

RED, BLUE = (255, 0, 0), (0, 0, 255)


def at(row: int, col: int, colour: tuple[int, ...] = RED, stamp: int = 1) -> Pick:
    return Pick(row, col, colour, stamp)


def places(hand: Hand) -> list[tuple[int, int]]:
    return [(spot.row, spot.col) for spot in hand.spots]


def test_a_new_pixel_replaces_the_last_one_and_can_be_undone() -> None:
    hand = Hand().take(at(1, 2)).take(at(3, 4, BLUE, 2))
    assert places(hand) == [(3, 4)]
    assert hand.colour == BLUE
    assert hand.stamp == 2
    back = hand.undo()
    assert places(back) == [(1, 2)]
    assert back.colour == RED
    assert back.stamp > hand.stamp
    assert back.undo().undo().undo().spots == ()


def test_a_colour_alone_recolours_the_last_pixel() -> None:
    hand = Hand().take(at(1, 2)).take(Pick(None, None, BLUE, 2))
    assert hand.spots[0].colour == BLUE
    assert hand.spots[0].hex == "#0000ff"
    assert Hand().take(Pick(None, None, BLUE, 1)).spots == ()


def test_several_pixels_are_kept_up_to_a_limit() -> None:
    hand = Hand().keep_several(True)
    for col in range(MOST_SPOTS + 2):
        hand = hand.take(at(0, col))
    assert places(hand) == [(0, col) for col in range(2, MOST_SPOTS + 2)]
    again = hand.take(at(0, 3, BLUE))
    assert len(again.spots) == MOST_SPOTS
    assert again.spots[-1].colour == BLUE
    assert places(again.keep_several(False)) == [(0, 3)]
    assert again.clear().spots == ()
    assert places(again.clear().undo()) == places(again)


def test_a_hand_begins_with_an_attack_but_not_with_a_whole_image() -> None:
    changes = [PixelChange(0, col, (0,), (9,)) for col in range(MOST_SPOTS + 1)]
    assert Hand.start(changes[:1], 1).hex == "#090909"
    assert Hand.start(changes[:3], 1).several
    assert Hand.start(changes, 1).spots == ()
    assert Hand.start([], 1).colour == (255,)


@pytest.mark.parametrize(
    "value",
    [None, {}, "x", {"by": "pixel", "stamp": 1, "colour": "#ff0000", "row": 8, "col": 0},
     {"by": "pixel", "stamp": 1, "colour": "#ff0000", "row": -1, "col": 0},
     {"by": "pixel", "stamp": 1, "colour": "red", "row": 1, "col": 0},
     {"by": "pixel", "stamp": "x", "colour": "#ff0000", "row": 1, "col": 0},
     {"by": "pixel", "stamp": 1, "colour": "#ff0000"}],
)  # fmt: skip
def test_nonsense_from_a_browser_is_no_pick(value: object) -> None:
    assert read_pick(value, (8, 8, 1)) is None


def test_a_pick_is_read_for_the_channels_of_the_model() -> None:
    value = {"by": "pixel", "stamp": 4, "colour": "#102030", "row": 1, "col": 2}
    assert read_pick(value, (8, 8, 3)) == Pick(1, 2, (16, 32, 48), 4)
    assert read_pick(value, (8, 8, 1)) == Pick(1, 2, (16,), 4)
    assert read_pick(value | {"by": "colour"}, (8, 8, 1)) == Pick(None, None, (16,), 4)


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


def test_words() -> None:
    assert with_article("airplane") == "an airplane"
    assert with_article("8") == "an 8"
    assert with_article("dog") == "a dog"
    assert colour_words((3,)) == "grey 3"
    assert colour_words((1, 2, 3)) == "RGB (1, 2, 3)"
    assert rings([PixelChange(1, 2, (0,), (1,))]) == ((1, 2),)
    assert rings([PixelChange(1, 2, (0,), (1,))] * 6) == ()


@pytest.mark.parametrize(
    ("event", "cell"),
    [
        (None, None),
        ({"selection": {"points": []}}, None),
        ({"selection": {"points": [{"x": 1}]}}, None),
        ({"selection": {"points": [{"customdata": [3, 5, 9]}]}}, (3, 5)),
    ],
)
def test_a_clicked_cell(event: object, cell: object) -> None:
    assert clicked_cell(event) == cell


@pytest.fixture
def results(digits_bundle: Bundle) -> list[AttackResult]:
    source = open_source("digits")
    known = [source.index(row["id"]) for row in digits_bundle.gallery[:2]]
    return attack_images(
        digits_bundle.model,
        source.pixels(known),
        source.labels[known],
        [source.ids[i] for i in known],
        AttackConfig(engine="exhaustive"),
    )


def test_files_hold_every_result(digits_bundle: Bundle, results: list[AttackResult]) -> None:
    with zipfile.ZipFile(io.BytesIO(results_png(results))) as archive:
        assert len(archive.namelist()) == 2 * len(results)
    frame = pd.read_csv(io.StringIO(results_csv(digits_bundle, results)))
    assert frame["id"].tolist() == [result.id for result in results]
    assert frame["l0"].tolist() == [result.distances["l0"] for result in results]
    document = json.loads(results_json(digits_bundle, results))
    assert document["config"]["engine"] == "exhaustive"
    assert document["budget"] == 8 * 8 * 2
    assert document["summary"]["attacked"] == summarise(results)["attacked"]
    arrays = np.load(io.BytesIO(results_npz(results)))
    np.testing.assert_array_equal(arrays["attacked"][1], results[1].attacked)
    single = np.load(io.BytesIO(results_npz(results[:1])))
    assert single["map_logits"].shape == (8, 8, 2, 10)


def test_the_map_in_words_and_rows(digits_bundle: Bundle, results: list[AttackResult]) -> None:
    found = results[0].map
    assert found is not None
    rows = map_rows(found, digits_bundle.classes)
    assert len(rows) == 64
    flips = int((rows["flips to"] != "").sum())
    assert f"{flips} of 64 pixels" in map_words(found)
    never = type(found)(found.true, found.colours, found.logits.copy(), found.confirmed)
    never.logits[..., found.true] = 99
    assert "not a certificate" in map_words(never)
    never.logits[4:] = np.nan
    partial = type(found)(found.true, found.colours, never.logits, found.confirmed)
    assert "64 of 128 points" in map_words(partial)
    assert len(map_rows(partial, digits_bundle.classes)) == 32


def test_an_attack_on_every_pixel_makes_no_link(results: list[AttackResult]) -> None:
    result = results[0]
    assert pair_of(result).token().count("~") == len(result.pixels)
    pair = Pair(result.id, result.benign, 255 - result.benign, result.true)
    assert len(pair.changes) > 5
    assert pair.token() == ""
