"""The concept graphs of a bundle: built with it or later, drawn, compared, and absent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ndcore.analysis.class_graphs import ClassGraphs
from ndcore.analysis.mechanism.faithful_classes import kept_faithful
from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.bundles.manifest import FAITHFUL, GRAPH_FILE, PICTURES
from ndcore.cli import main
from ndcore.concept_graph.drawing import Rule
from ndcore.concept_graph.graph import HELD, INFLUENCE, Unit
from ndcore.concept_graph.held import held_drops
from ndcore.data.catalog import open_source
from ndcore.data.splits import positions
from ndcore.errors import BundleError

DIGIT = 3


def answered(capsys: pytest.CaptureFixture[str], *typed: str) -> dict[str, Any]:
    assert main([*typed, "--json", "-"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def without_graph(folder: Path) -> None:
    (folder / GRAPH_FILE).unlink()
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"][GRAPH_FILE]
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_bundle_without_graphs_says_how_to_make_them_and_they_are_those_of_a_build(
    twin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = twin / "bundles" / "twin"
    built = dict(np.load(folder / GRAPH_FILE).items())
    without_graph(folder)
    with pytest.raises(BundleError, match="python -m ndcore build twin --only graph"):
        ClassGraphs(load_bundle("twin"))
    assert main(["graph", "--bundle", "twin", "--class", "3"]) == 2
    assert "build twin --only graph" in capsys.readouterr().err
    made = answered(capsys, "build", "twin", "--only", "graph")
    assert made["images"] == len(load_bundle("twin").splits["reference"])
    kept = [folder / GRAPH_FILE, folder / PICTURES]
    assert made["graph_mb"] == round(sum(each.stat().st_size for each in kept) / 1e6, 2)
    for key, values in np.load(folder / GRAPH_FILE).items():
        assert values.tobytes() == built[key].tobytes(), key
    (folder / GRAPH_FILE).write_bytes(b"broken")
    with pytest.raises(BundleError, match=r"graph\.npz does not match its checksum"):
        load_bundle("twin")


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("labels", lambda values: values + 1, "names odd classes"),
        ("units", lambda values: values + 1, "is of other layers"),
        ("dense_1/sources", lambda values: values + 100, "names units that 'block2_conv1' has not"),
        ("dense_1/patch_images", lambda values: values * 0 + 255, ""),
        ("dense_1/patch_images", lambda v: v.astype(np.uint16) + 60000, "names images that the"),
        ("dense_1/edge_error", lambda values: values[:, :, 1:], "lacks 'dense_1/edge_error'"),
        ("links", lambda values: values[::-1, ::-1], "links layers that are not there"),
    ],
)
def test_a_file_that_names_what_is_not_there_is_refused(
    twin: Path, name: str, change: Callable[[NDArray[Any]], NDArray[Any]], told: str
) -> None:
    folder = twin / "bundles" / "twin"
    arrays = dict(np.load(folder / GRAPH_FILE).items())
    arrays[name] = change(arrays[name])
    np.savez_compressed(folder / GRAPH_FILE, allow_pickle=False, **arrays)
    manifest = json.loads((folder / "manifest.json").read_text())
    content = (folder / GRAPH_FILE).read_bytes()
    manifest["files"][GRAPH_FILE] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    if not told:
        ClassGraphs(load_bundle("twin"))
        return
    with pytest.raises(BundleError, match=told):
        load_bundle("twin")


@pytest.mark.spec("SP-4")
def test_each_unit_comes_with_the_patches_that_drive_it_most(digits_bundle: Bundle) -> None:
    source = open_source("digits")
    graph = ClassGraphs(digits_bundle).of_class(DIGIT)
    named = dict(zip(source.keys(), range(len(source)), strict=True))
    for layer in ("block1_conv2", "dense_1"):
        node = next(node for node in graph.nodes if node.unit.layer == layer)
        assert node.patches
        rows = [named[patch.image] for patch in node.patches]
        assert (source.labels[rows] == DIGIT).all()
        reduction = digits_bundle.judged_by(layer)
        seen = digits_bundle.read(source.pixels(rows)).values(layer, reduction)[:, node.unit.unit]
        assert [patch.activation for patch in node.patches] == pytest.approx(seen, rel=2e-3)
        assert (np.diff(seen) <= 1e-3).all()
        for patch in node.patches:
            if layer == "dense_1":
                assert patch.box is None
            else:
                assert patch.box is not None
                top, left, bottom, right = patch.box
                assert (bottom - top, right - left) == (5, 5)


def test_the_command_draws_a_class_and_a_difference(
    digits_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = ("--bundle", "digits-cnn")
    found = answered(capsys, "graph", *bundle, "--class", "3", "--most", "4")
    graph = ClassGraphs(digits_bundle).of_class(DIGIT)
    assert found["class"] == "3"
    assert 0 < found["carried"] < graph.carried
    assert max(level["drawn"] for level in found["layers"]) == 4
    units = {(node["layer"], node["unit"]) for node in found["nodes"]}
    assert {
        (e[end]["layer"], e[end]["unit"]) for e in found["edges"] for end in ("from", "to")
    } == (units)
    assert all(-1 <= edge["influence"] <= 1 for edge in found["edges"])
    other = answered(capsys, "graph", *bundle, "--class", "3", "--against", "8")
    last = {node["unit"]: node for node in other["nodes"] if node["layer"] == "dense_2"}
    assert last[3]["difference"] == 1
    assert last[8]["difference"] == -1
    assert main(["graph", *bundle, "--class", "3"]) == 0
    told = capsys.readouterr().out
    assert f"3: {len(graph.nodes)} of {graph.units} neurons" in told
    assert "dense_1: " in told
    assert main(["graph", *bundle, "--class", "eleven"]) == 2
    assert "unknown class 'eleven'" in capsys.readouterr().err
    assert main(["graph", *bundle, "--class", "3", "--most", "0"]) == 2


def test_what_the_drawn_units_carry_is_told_for_all_classes_with_an_interval(
    digits_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("graph", "--bundle", "digits-cnn", "--class", "3", "--faithful", "3")
    found = answered(capsys, *asked)["faithfulness"]
    assert [row["class"] for row in found["classes"]] == list(digits_bundle.classes)
    for row in found["classes"]:
        assert 0 < row["recall"]["n"] <= 3
        assert set(row["remove"]) == set(row["keep_only"]) == {"drawn", "random", "most active"}
    for others in (found["keep_only"], found["remove"]):
        for gap in others.values():
            low, high = gap["ci95"]
            assert gap["n"] == 10
            assert -1 <= low <= gap["mean"] <= high <= 1
            assert gap["clear"] == (low > 0)
    assert main([*asked[:-1], "0"]) == 2
    assert main([*asked, "--against", "8"]) == 2
    assert main([*asked, "--strongest", "0"]) == 2
    assert main([*asked[:-2], "--ship"]) == 2


@pytest.mark.spec("CG-4")
def test_what_all_classes_lose_is_kept_in_the_bundle_until_its_graphs_change(
    twin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("graph", "--bundle", "twin", "--class", "all", "--faithful", "2")
    whole = answered(capsys, *asked, "--ship")["faithfulness"]
    few = answered(capsys, *asked, "--ship", "--strongest", "1")["faithfulness"]
    kept = kept_faithful(load_bundle("twin"))
    assert [each.strongest for each in kept] == [None, 1]
    for found, rows in zip(kept.values(), (whole, few), strict=True):
        assert [each.to_dict() for each in found] == [
            {key: value for key, value in row.items() if key != "class"} for row in rows["classes"]
        ]
    levels = len(load_bundle("twin").layers) - 1
    assert all(0 < row["units"] <= levels for row in few["classes"])
    again = answered(capsys, *asked, "--ship")["faithfulness"]
    assert again == whole
    assert len(kept_faithful(load_bundle("twin"))) == 2
    assert main([*asked]) == 0
    told = capsys.readouterr().out
    assert "without them" in told
    assert "95% interval" in told
    place = twin / "bundles" / "twin" / FAITHFUL
    change(twin, place, lambda document: document | {"graph": "0" * 64})
    assert kept_faithful(load_bundle("twin")) == {}
    change(twin, place, lambda document: document | {"drawings": [{}]})
    with pytest.raises(BundleError, match=FAITHFUL):
        load_bundle("twin")


@pytest.mark.spec("CG-2")
def test_drawn_units_are_told_by_the_drop_of_the_logit_when_they_are_held(
    digits_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("graph", "--bundle", "digits-cnn", "--class", "3", "--most", "2")
    found = answered(capsys, *asked, "--importance", "causal", "--images", "2")
    assert found["importance"] == HELD
    source = open_source("digits")
    dev = positions(source, digits_bundle.splits["dev"])
    pixels = source.pixels([at for at in dev if source.labels[at] == DIGIT][:2])
    graphs = ClassGraphs(digits_bundle)
    graph = graphs.of_class(DIGIT, Rule(most=2))
    units = [node.unit for node in graph.nodes]
    drops = held_drops(digits_bundle.model, units, DIGIT, graphs.means, pixels)
    for node in found["nodes"]:
        drop = drops[Unit(node["layer"], node["unit"])].mean()
        assert node["importance"] == node["importances"][HELD] == pytest.approx(drop, abs=1e-4)
    assert main([*asked, "--importance", "causal", "--images", "0"]) == 2
    assert main([*asked, "--importance", "causal", "--against", "8"]) == 2
    assert "'causal' was not measured of both" in capsys.readouterr().err


def test_attacks_are_asked_of_two_classes_between_which_there_are_some(
    digits_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("graph", "--bundle", digits_bundle.name, "--class", "3", "--attacked")
    assert main([*asked]) == 2
    assert "give both" in capsys.readouterr().err
    assert main([*asked, "--against", "3"]) == 2
    assert "keeps no attack that turned 3 into 3" in capsys.readouterr().err


def change(twin: Path, place: Path, how: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change a file of the bundle, and its checksum with it."""
    place.write_text(json.dumps(how(json.loads(place.read_text()))))
    listed = twin / "bundles" / "twin" / "manifest.json"
    manifest = json.loads(listed.read_text())
    manifest["files"][place.name] = hashlib.sha256(place.read_bytes()).hexdigest()
    listed.write_text(json.dumps(manifest))


def test_some_images_make_a_graph_of_their_own(digits_bundle: Bundle) -> None:
    graphs = ClassGraphs(digits_bundle)
    source = open_source("digits")
    pixels = source.pixels(np.flatnonzero(source.labels == DIGIT)[:1])
    found = graphs.of_images(pixels, DIGIT)
    assert (found.images, found.folds) == (1, 0)
    assert graphs.patches(found, Unit("dense_1", 0)) == ()
    compared = graphs.compared(("image", found), ("3", graphs.measured(DIGIT)), INFLUENCE)
    assert not any(each.change.clear for each in compared.nodes)
    assert any(each.change.difference for each in compared.nodes)
