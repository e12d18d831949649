"""Results as files, a map in words and rows, and the pair that a result hands on."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ndcore.attacks import AttackConfig, AttackResult, attack_images, summarise
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.data.pairs import Pair
from pages.ui.lab.batch import batch_words
from pages.ui.lab.downloads import results_csv, results_json, results_npz, results_png
from pages.ui.lab.grid_map import map_rows, map_words
from pages.ui.lab.result import _change, _headline, pair_of


@pytest.fixture
def results(digits_bundle: Bundle) -> list[AttackResult]:
    source = open_source("digits")
    known = [source.index(row.id) for row in digits_bundle.gallery[:2]]
    return attack_images(
        digits_bundle.model,
        source.pixels(known),
        source.labels[known],
        [source.ids[i] for i in known],
        AttackConfig(engine="exhaustive"),
    )


@pytest.mark.spec("AL-12")
def test_files_hold_every_result(digits_bundle: Bundle, results: list[AttackResult]) -> None:
    with zipfile.ZipFile(io.BytesIO(results_png(results))) as archive:
        assert len(archive.namelist()) == 2 * len(results)
    frame = pd.read_csv(io.StringIO(results_csv(digits_bundle, results)))
    assert frame["id"].tolist() == [result.id for result in results]
    assert frame["l0"].tolist() == [result.distances["l0"] for result in results]
    document = json.loads(results_json(digits_bundle, [replace(results[0], success=False)]))
    assert [row["outcome"] for row in document["results"]] == ["not broken"]
    document = json.loads(results_json(digits_bundle, results))
    assert document["config"]["engine"] == "exhaustive"
    assert document["budget"] == 8 * 8 * 2
    assert document["summary"]["attacked"] == summarise(results)["attacked"]
    arrays = np.load(io.BytesIO(results_npz(results)))
    np.testing.assert_array_equal(arrays["attacked"][1], results[1].attacked)
    failed = replace(results[0], success=False)
    with zipfile.ZipFile(io.BytesIO(results_png([failed]))) as archive:
        ends = [name.removesuffix(".png").split("-", 2)[2] for name in archive.namelist()]
    assert ends == ["benign", "not-broken"]  # triage takes "-attacked" for the truth
    told = pd.read_csv(io.StringIO(results_csv(digits_bundle, [failed, results[0]])))["outcome"]
    assert told.tolist() == ["not broken", "broken"]
    single = np.load(io.BytesIO(results_npz(results[:1])))
    assert single["map_logits"].shape == (8, 8, 2, 10)


@pytest.mark.spec("AL-8")
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


def test_a_failure_names_its_goal_and_how_near_it_came(
    digits_bundle: Bundle, results: list[AttackResult]
) -> None:
    target = int(results[0].probabilities_after.argmin())
    far = np.full(10, 0.08, np.float32)
    far[target] = 0.28
    failed = replace(
        results[0],
        success=False,
        config=AttackConfig(target=target),
        probabilities_before=results[0].probabilities_before * 0,
        probabilities_after=far,
    )
    name = digits_bundle.classes[target]
    assert f"no {name} was reached" in _headline(digits_bundle, failed)
    assert "Stopped before it became a" in _headline(digits_bundle, replace(failed, stopped=True))
    assert f"Nearest to {name}, from 0.0% to 28.0%: row " in _change(digits_bundle, failed)
    nothing = replace(failed, pixels=(), attacked=failed.benign)
    told = f"came nearer to {name} than the untouched image"
    assert told in _change(digits_bundle, nothing)
    assert pair_of(nothing).attacked is None


def test_one_is_told_as_one(digits_bundle: Bundle, results: list[AttackResult]) -> None:
    wrong = replace(results[0], success=False, skipped=True, queries=0)
    told = batch_words([replace(results[0], queries=1), wrong], 1)
    assert "**1** of 1 correctly classified image was broken" in told
    assert "1 query paid in all" in told
    assert "1 skipped because the model gets it wrong already; 1 never tried" in told
    assert "of at most 1 query in" in _change(
        digits_bundle, replace(results[0], config=AttackConfig(max_queries=1))
    )
