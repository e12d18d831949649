"""Patches and their averages, clusters of units and facets of a unit."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from ndcore.errors import BadRequestError, StoppedError
from ndcore.evolution import (
    clearness,
    cluster_units,
    cut_patches,
    facets_of,
    weighted_average,
)


@pytest.mark.spec("DV-12")
def test_patches_are_cut_and_grey_beyond_the_image(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (2, 6, 6, 3), dtype=np.uint8)
    boxes = np.array([[1, 2, 4, 5], [-1, 4, 2, 7]])
    found = cut_patches(pixels, boxes)
    assert found.shape == (2, 3, 3, 3)
    assert (found[0] == pixels[0, 1:4, 2:5]).all()
    assert (found[1, 0] == 128).all()
    assert (found[1, 1:, :2] == pixels[1, :2, 4:]).all()
    assert (found[1, :, 2] == 128).all()


@pytest.mark.spec("DV-17")
def test_averages_are_weighted_by_activation() -> None:
    images = np.zeros((3, 2, 2, 1), np.uint8)
    images[1], images[2] = 100, 200
    average = weighted_average(images, np.array([1.0, 3.0, -5.0]))
    assert average is not None
    assert average == pytest.approx(np.full((2, 2, 1), 75.0))
    assert weighted_average(images, np.array([0.0, -1.0, 0.0])) is None


@pytest.mark.spec("DV-17")
def test_a_cluster_average_weighs_its_four_nearest_units_by_inverse_distance(
    rng: np.random.Generator,
) -> None:
    points = np.concatenate([rng.normal(0, 1, (9, 2)), rng.normal(30, 1, (6, 2))])
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    found = cluster_units(distances, 2)
    assert found.sizes.tolist() == [9, 6]
    assert set(found.labels[:9]) == {0}
    placed = np.linalg.norm(found.places[:, None] - found.places, axis=-1)
    assert placed == pytest.approx(distances, abs=0.5)
    for cluster in range(2):
        members = np.flatnonzero(found.labels == cluster)
        centre = found.places[members].mean(0)
        away = np.linalg.norm(found.places[members] - centre, axis=1)
        nearest = members[np.argsort(away)[:4]]
        assert found.nearest[cluster].tolist() == nearest.tolist()
        inverse = 1 / np.sort(away)[:4]
        assert found.weights[cluster] == pytest.approx(inverse / inverse.sum())


@pytest.mark.parametrize("units", [1, 2, 3, 7])
def test_clusters_of_few_and_of_dead_units(units: int) -> None:
    found = cluster_units(np.zeros((units, units)))
    assert found.sizes.sum() == units
    assert np.isfinite(found.places).all()
    with pytest.raises(BadRequestError, match="got 0"):
        cluster_units(np.zeros((units, units)), 0)


@pytest.mark.spec("DV-19")
def test_purity_is_a_number(rng: np.random.Generator) -> None:
    one = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    same, mixed = np.stack([one] * 20), rng.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    weights = np.ones(20)
    assert clearness(same, weighted_average(same, weights)) == pytest.approx(1)
    assert clearness(mixed, weighted_average(mixed, weights)) == pytest.approx(1 / 20, abs=0.02)
    assert clearness(mixed, None) == 0


@pytest.mark.spec("DV-20")
def test_facets_find_the_kinds_of_patches(rng: np.random.Generator) -> None:
    kinds = rng.integers(0, 256, (3, 5, 5, 3))
    which = np.repeat([0, 1, 2], [40, 30, 25])
    noisy = kinds[which] + rng.normal(0, 8, (95, 5, 5, 3))
    patches = np.clip(noisy, 0, 255).astype(np.uint8)
    activations = rng.random(95) + 0.5
    found = facets_of(patches, activations, 3)
    assert found.sizes.tolist() == [40, 30, 25]
    assert (found.labels == which).all()
    assert found.places.shape == (95, 2)
    assert found.centres.shape == (3, 2)
    for facet in range(3):
        chosen = found.nearest[facet]
        assert len(chosen) == 20
        expected = weighted_average(patches[chosen], activations[chosen])
        assert (found.averages[facet] == expected).all()
    again = facets_of(patches, activations, 3)
    assert (again.places == found.places).all()
    assert len(facets_of(np.zeros((5, 4, 4, 1), np.uint8), np.zeros(5)).sizes) == 1
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) == limit

    limit = 10**9
    assert (facets_of(patches, activations, 3, should_stop=stop).places == found.places).all()
    assert len(asked) > 500  # in every step of t-SNE
    for limit in (1, 30, len(asked) - 1):
        asked.clear()
        with pytest.raises(StoppedError):
            facets_of(patches, activations, 3, should_stop=stop)
        assert len(asked) == limit
        assert sys.getprofile() is None
    with pytest.raises(BadRequestError, match="at least 3 patches"):
        facets_of(patches[:2], activations[:2])
    with pytest.raises(BadRequestError, match="got 0"):
        facets_of(patches, activations, 0)
