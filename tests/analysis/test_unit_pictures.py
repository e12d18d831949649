"""Pictures of units that are kept in a bundle, and what all classes lose without their units."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from ndcore.analysis.class_graphs import ClassGraphs
from ndcore.analysis.mechanism import unit_pictures as of_pictures
from ndcore.analysis.mechanism.unit_pictures import (
    PICTURED,
    add_unit_pictures,
    averaged,
    unit_pictures,
)
from ndcore.bundles.bundle import load_bundle
from ndcore.bundles.manifest import PICTURES
from ndcore.concept_graph.drawing import chosen_units
from ndcore.concept_graph.graph import Unit
from ndcore.data.catalog import open_source
from ndcore.errors import BundleError

DIGIT = 3


@pytest.mark.spec("SP-4")
def test_units_of_a_bundle_keep_their_pictures_without_the_images(twin: Path) -> None:
    source = open_source("digits")
    made = add_unit_pictures(load_bundle("twin"), source)
    bundle = load_bundle("twin")
    graphs = ClassGraphs(bundle)
    found = graphs.measured(DIGIT)
    kept = unit_pictures(bundle, DIGIT)
    wanted = {
        Unit(layer, unit) for layer in found.units for unit in chosen_units(found, layer, PICTURED)
    }
    assert set(kept) <= wanted
    assert made == sum(len(unit_pictures(bundle, label)) for label in graphs.labels)
    keys = dict(zip(source.keys(), range(len(source)), strict=True))
    for layer in ("block1_conv2", "dense_1"):
        unit = Unit(layer, chosen_units(found, layer, PICTURED)[0])
        patches = graphs.patches(found, unit)
        pixels = {each.image: source.pixels([keys[each.image]])[0] for each in patches}
        own = averaged(patches, pixels, bundle.shape)
        assert own is not None
        assert kept[unit].shape == own.shape
        # Lossy, and a digit has few levels.
        assert np.abs(kept[unit].astype(int) - own).mean() < 12


def test_where_room_is_short_the_units_with_the_most_influence_have_theirs(
    twin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_pictures, "MOST_BYTES", 6000)
    add_unit_pictures(load_bundle("twin"), open_source("digits"))
    bundle = load_bundle("twin")
    arrays = bundle.picture_arrays
    assert arrays is not None
    assert 0 < len(arrays["files"]) <= 6000
    found = ClassGraphs(bundle).measured(0)
    first = Unit("dense_1", chosen_units(found, "dense_1", PICTURED)[0])
    last = Unit("dense_1", chosen_units(found, "dense_1", PICTURED)[-1])
    kept = unit_pictures(bundle, 0)
    assert first in kept
    assert last not in kept


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("unit", 5000, "names units that the bundle has not"),
        ("length", 7, "does not fit its lengths"),
    ],
)
def test_a_file_of_pictures_that_does_not_fit_is_refused(
    twin: Path, name: str, value: int, told: str
) -> None:
    add_unit_pictures(load_bundle("twin"), open_source("digits"))
    folder = twin / "bundles" / "twin"
    arrays = dict(np.load(folder / PICTURES).items())
    arrays[name] = arrays[name].copy()
    arrays[name][0] = value
    np.savez(folder / PICTURES, allow_pickle=False, **arrays)
    manifest = json.loads((folder / "manifest.json").read_text())
    content = (folder / PICTURES).read_bytes()
    manifest["files"][PICTURES] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=told):
        load_bundle("twin")


def test_a_bundle_without_pictures_has_none(twin: Path) -> None:
    assert unit_pictures(load_bundle("twin"), 0) == {}
    assert averaged((), {}, (8, 8, 1)) is None
