"""Vectors are what the layer says: at which positions, how many, and kept once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ndcore.activations.maps import activation_maps
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import find_image, open_source
from ndcore.data.pairs import Pair
from ndcore.errors import BadRequestError, StoppedError
from ndcore.topology import kept
from ndcore.topology.kept import ATTACKS, SHIPPED, attacked_images, find_space, read_spaces, ship
from ndcore.topology.space import LENSES, Space
from ndcore.topology.vectors import ToRead, at_places, most_vectors, read_vectors
from tests.topology.planted import vectors_of

MEMBERS = [*range(0, 40, 2)]


def images() -> ToRead:
    return ToRead.of(open_source("digits"), MEMBERS)


@pytest.mark.spec("TA-1")
def test_vectors_are_the_values_of_the_layer(digits_bundle: Bundle) -> None:
    source = open_source("digits")
    layer, dense = digits_bundle.layers[0], digits_bundle.layers[-1]
    pixels = source.pixels(MEMBERS)
    reading, maps = (
        digits_bundle.read(pixels),
        activation_maps(digits_bundle.model, [layer], pixels)[layer],
    )
    seen: list[int] = []
    for positions in ("max", "mean", "random"):
        found = read_vectors(
            digits_bundle, [layer, dense], positions, images(), on_batch=seen.append
        )
        assert np.array_equal(found[dense].values, reading.values(dense, "value").astype("f2"))
        assert found[layer].keys.tolist() == [source.keys()[at] for at in MEMBERS]
        assert np.array_equal(found[layer].labels, source.labels[MEMBERS])
        assert np.array_equal(found[layer].predicted, reading.predicted)
        if positions != "random":
            assert np.array_equal(
                found[layer].values, reading.values(layer, positions).astype("f2")
            )
            continue
        places = [
            np.flatnonzero((np.abs(each - row[:, None]) < 1e-2).all(0))
            for each, row in zip(
                maps.reshape(len(maps), maps.shape[1], -1), found[layer].wide, strict=True
            )
        ]
        assert all(len(at) for at in places), "all units at one position"
        assert len({int(at[0]) for at in places}) > 5, "another one for another image"
    assert sum(seen) == 3 * len(MEMBERS)


def test_a_position_is_a_share_of_the_map() -> None:
    output = torch.arange(24.0).reshape(2, 2, 2, 3)
    found = at_places(output, torch.tensor([0.0, 0.99], dtype=torch.float64))
    assert found.tolist() == [[0, 6], [17, 23]]


def test_the_divergence_is_the_layer_score_of_the_detector(digits_bundle: Bundle) -> None:
    from ndcore.detectors.layer_scores import measure

    source = open_source("digits")
    scores = measure(digits_bundle, "wasserstein", digits_bundle.read(source.pixels(MEMBERS)))
    for at, layer in enumerate(digits_bundle.layers):
        found = read_vectors(digits_bundle, [layer], "max", images())[layer]
        assert found.divergence == pytest.approx(scores.layers[:, at], rel=1e-5)


@pytest.mark.spec("TA-2")
def test_a_lens_is_a_number_per_vector(rng: np.random.Generator) -> None:
    values = rng.normal(size=(60, 4))
    space = Space.around(vectors_of(values))
    far = np.linalg.norm(space.wide[:, None] - space.wide[None], axis=2)
    assert space.lens("norm") == pytest.approx(np.linalg.norm(space.wide, axis=1))
    assert -space.lens("density") == pytest.approx(np.sort(far, 1)[:, 5], rel=1e-4)
    assert np.array_equal(space.lens("divergence"), space.divergence)
    other = vectors_of(values[:3] + 0.5)
    known = np.linalg.norm(other.wide[:, None] - space.wide[None], axis=2)
    assert -space.lens_of(other, "density") == pytest.approx(np.sort(known, 1)[:, 4], rel=1e-4)
    assert set(LENSES) == {"norm", "divergence", "density"}
    with pytest.raises(BadRequestError, match="unknown lens"):
        space.lens("moon")
    with pytest.raises(BadRequestError, match="min-samples"):
        space.curve(21)


def test_memory_is_bounded() -> None:
    assert most_vectors(512) == 10_000
    assert most_vectors(100_000) == 209


def test_what_cannot_be_read_is_one_sentence(digits_bundle: Bundle) -> None:
    with pytest.raises(BadRequestError, match="unknown layer"):
        read_vectors(digits_bundle, ["moon"], "max", images())
    with pytest.raises(BadRequestError, match="unknown positions"):
        read_vectors(digits_bundle, [digits_bundle.layers[0]], "corner", images())
    with pytest.raises(BadRequestError, match="no image"):
        read_vectors(
            digits_bundle, ["dense_1"], "max", ToRead((), np.zeros(0, int), lambda _: None)
        )
    with pytest.raises(StoppedError):
        read_vectors(
            digits_bundle, [digits_bundle.layers[0]], "max", images(), should_stop=lambda: True
        )


def test_vectors_are_read_once(digits_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = digits_bundle.layers[-2:]
    read: list[int] = []
    first = read_spaces(digits_bundle, layers, "max", images(), on_batch=read.append)
    again = read_spaces(digits_bundle, layers, "max", images(), on_batch=read.append)
    assert sum(read) == len(MEMBERS)
    for layer in layers:
        for name, column in vars(first[layer]).items():
            assert np.array_equal(column, getattr(again[layer], name)), name
    fewer = ToRead.of(open_source("digits"), MEMBERS[1:])
    read_spaces(digits_bundle, layers, "max", fewer, on_batch=read.append)
    assert sum(read) == 2 * len(MEMBERS) - 1, "other images are other vectors"
    monkeypatch.setattr(kept, "MOST_KEPT", 1)
    read_spaces(digits_bundle, digits_bundle.layers[:1], "mean", images())
    assert not list(kept.vectors_dir(digits_bundle).glob("*.npz")), "no room is left for any"


def test_an_attacked_image_is_read_where_its_benign_one_was(
    digits_bundle: Bundle, pair: Pair
) -> None:
    layer = digits_bundle.layers[0]
    untouched = Pair(pair.image_id, pair.benign, pair.benign, pair.label)
    benign = ToRead((pair.image_id,), np.array([pair.label]), lambda _: pair.benign[None])
    one, same = (
        read_vectors(digits_bundle, [layer], "random", each)[layer]
        for each in (benign, attacked_images([untouched]))
    )
    assert np.array_equal(one.values, same.values)


def test_vectors_travel_with_a_bundle(twin: object) -> None:
    from ndcore.bundles.bundle import load_bundle

    bundle = load_bundle("twin")
    assert find_space(bundle, "dense_1", "max", SHIPPED) is None
    space = read_spaces(bundle, ["dense_1"], "max", images())["dense_1"]
    ship(bundle, "dense_1", "max", space, find_image)
    found = find_space(load_bundle("twin"), "dense_1", "max", SHIPPED)
    assert found is not None
    assert np.array_equal(found.values, space.values)
    attacks = find_space(bundle, "dense_1", "max", ATTACKS)
    assert attacks is not None
    assert len(attacks) == len(bundle.gallery)
    shown = [bundle.classes[label] for label in attacks.predicted]
    assert shown == [row.predicted_after for row in bundle.gallery]
    assert find_space(bundle, bundle.layers[0], "max", SHIPPED) is None
