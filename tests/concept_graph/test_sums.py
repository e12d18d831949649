"""Sums of a pass against brute force, joined halves, and a circuit that was planted."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch

from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph import sums as of_sums
from ndcore.concept_graph.contributions import contributions
from ndcore.concept_graph.graph import COUNT, GRADIENT, INFLUENCE
from ndcore.concept_graph.measured import measured
from ndcore.data.catalog import open_source
from ndcore.networks.forward import to_images
from tests.concept_graph.planted import LAYERS, noise, planted_circuit, summed

DIGIT = 3


def test_a_planted_circuit_is_recovered_units_and_edges_first() -> None:
    watched, sums = summed(planted_circuit(), LAYERS, noise(40), 1)
    found = measured(watched, sums)
    assert not found.gaps
    influence = {layer: found.values[layer][INFLUENCE].value for layer in LAYERS}
    assert influence["answer"].tolist() == [0, 1]
    assert np.flatnonzero(influence["second"]).tolist() == [0, 2]
    assert influence["second"][2] > 0.9
    assert influence["second"].sum() == pytest.approx(1)
    assert influence["first"].tolist() == [0, 1, 0]
    into_class = found.edges["answer"].influence[1]
    assert into_class[2] == pytest.approx(influence["second"][2])
    assert into_class[0] == pytest.approx(-influence["second"][0])
    assert found.edges["second"].influence[2].tolist() == [0, 1, 0]
    assert found.edges["second"].stability[2].tolist() == [0, 1, 0]
    assert found.edges["second"].count[2].tolist() == [0, 1, 0]
    gradient = found.values["second"][GRADIENT].value
    assert np.flatnonzero(gradient).tolist() == [0, 2]
    assert gradient[2] > 0 > gradient[0]


@pytest.mark.spec("CG-2", "CG-5", "SP-7")
def test_streamed_sums_are_those_of_every_image_by_itself(digits_bundle: Bundle) -> None:
    source = open_source("digits")
    pixels = source.pixels(np.flatnonzero(source.labels == DIGIT)[:37])
    layers = digits_bundle.layers
    watched, sums = summed(digits_bundle.model, layers, pixels, DIGIT)
    found = measured(watched, sums)
    assert (found.images, found.folds) == (37, 10)
    every = contributions(digits_bundle.model, watched.weights, to_images(pixels))
    for weights in watched.weights:
        added = every[weights.link][0].double()
        whole = added.abs().sum(2, keepdim=True)
        shares = torch.where(whole > 0, added / whole, 0.0).numpy()
        edges = found.edges[weights.link.target]
        assert edges.influence == pytest.approx(shares.mean(0), abs=1e-5)
        by_fold = np.stack([shares[fold::10].mean(0) for fold in range(10)])
        error = by_fold.std(0, ddof=1) / np.sqrt(10)
        assert edges.error == pytest.approx(error, abs=1e-5)
        strongest = np.sort(np.abs(by_fold), 2)[:, :, -5:][:, :, :1]
        inside = (np.abs(by_fold) >= strongest) & (by_fold != 0)
        assert np.mean(np.abs(edges.stability - inside.mean(0)) > 1e-6) < 0.01
        five = np.zeros(shares.shape, bool)
        np.put_along_axis(five, np.argsort(-np.abs(shares), 2)[:, :, :5], True, 2)
        five &= shares != 0
        assert np.nanmean(np.abs(edges.count - five.mean(0))) < 1e-3
    reading = digits_bundle.read(pixels)
    for layer in layers:
        largest = reading.values(layer, digits_bundle.judged_by(layer)).clip(min=0)
        counts = np.zeros(largest.shape[1])
        for row in largest:
            order = np.argsort(-row)
            needed = np.cumsum(row[order]) < 0.01 * row.sum()
            counts[order[: needed.sum() + 1]] += row.max() > 0
        assert found.values[layer][COUNT].value == pytest.approx(counts / 37)
        assert found.means[layer] == pytest.approx(
            reading.values(layer, digits_bundle.reductions(layer)[0]).mean(0), abs=1e-4
        )
        images = found.patches[layer].images
        strongest = largest.argmax(0)
        driven = largest.max(0) > 0
        assert images[driven, 0].tolist() == strongest[driven].tolist()
        assert (images[~driven] == -1).all()
    last = found.values["dense_1"][GRADIENT].value
    weights = digits_bundle.model.get_submodule("dense_2").weight[DIGIT].numpy()
    assert last == pytest.approx(reading.values("dense_1", "value").mean(0) * weights, abs=1e-4)


def test_folds_summed_apart_are_joined_to_the_same_bytes(digits_bundle: Bundle) -> None:
    source = open_source("digits")
    pixels = source.pixels(np.flatnonzero(source.labels == DIGIT)[:30])
    given = digits_bundle.model, digits_bundle.layers, pixels, DIGIT
    _, whole = summed(*given)
    _, first = summed(*given, folds=range(0, 10, 2))
    _, second = summed(*given, folds=range(1, 10, 2))
    first.join(second)
    assert first.images.tobytes() == whole.images.tobytes()
    assert first.gradients.tobytes() == whole.gradients.tobytes()
    for mine, theirs in ((first.layers, whole.layers), (first.links, whole.links)):
        for name in theirs:
            for field in fields(theirs[name]):
                joined, every = (getattr(each[name], field.name) for each in (mine, theirs))
                assert joined.tobytes() == every.tobytes(), (name, field.name)


def test_of_many_images_each_unit_is_measured_on_some_and_every_image_takes_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A third of the images for each unit, in turn; with images all alike nothing changes."""
    monkeypatch.setattr(of_sums, "MEASURED", 20)
    pixels = noise(60)
    watched, sums = summed(planted_circuit(), LAYERS, pixels, 1)
    measured_on = sums.links["second"].measured.sum(0)
    assert measured_on.sum() == 60 * 4 // 3
    assert measured_on.tolist() == [20, 20, 20, 20]
    same = np.broadcast_to(pixels[:1], pixels.shape)
    some = measured(watched, summed(planted_circuit(), LAYERS, same, 1)[1])
    monkeypatch.setattr(of_sums, "MEASURED", 60)
    every = measured(watched, summed(planted_circuit(), LAYERS, same, 1)[1])
    for target in ("second", "answer"):
        assert some.edges[target].influence == pytest.approx(every.edges[target].influence)


def test_an_image_by_itself_has_no_folds_and_nothing_is_said_to_be_stable() -> None:
    found = measured(*summed(planted_circuit(), LAYERS, noise(1), 1))
    assert (found.images, found.folds) == (1, 0)
    assert np.isnan(found.edges["second"].stability).all()
    assert np.isnan(found.values["second"][INFLUENCE].error).all()
    assert found.values["first"][INFLUENCE].value.tolist() == [0, 1, 0]
