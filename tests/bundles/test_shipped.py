"""The bundle in the repository: whole, small, and as good as its manifest says on the samples."""

from __future__ import annotations

import numpy as np
import pytest

from ndcore.analysis.class_graphs import ClassGraphs
from ndcore.analysis.mechanism.faithful_classes import kept_faithful
from ndcore.analysis.mechanism.unit_pictures import unit_pictures
from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.certificate import certify
from ndcore.concept_graph.faithful import ACTIVE, RANDOM, paired_gaps
from ndcore.data.catalog import open_source
from ndcore.data.pairs import Pair
from ndcore.data.pixels import paint
from ndcore.detectors import load_detector
from ndcore.networks.evaluator import evaluator_for
from ndcore.storage.places import bundles_dir
from tests.shipped import README


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> Bundle:
    monkeypatch.delenv("ND_CACHE", raising=False)
    return load_bundle("cifar10-vgg16")


def test_layers_as_in_the_paper(shipped: Bundle) -> None:
    assert len(shipped.layers) == 15
    assert shipped.layers[0] == "block1_conv1"
    assert shipped.layers[-2:] == ("dense_1", "dense_2")
    assert (shipped.units("dense_1"), shipped.units("dense_2")) == (512, 10)
    assert sum(shipped.units(layer) for layer in shipped.layers) == 4746


def test_it_is_small_and_holds_no_image(shipped: Bundle) -> None:
    files = [path for path in bundles_dir().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 64e6
    assert not any(path.suffix in (".png", ".jpg") for path in files)


def test_accuracy_was_measured_on_held_out_lossless_images(shipped: Bundle) -> None:
    accuracy = shipped.manifest["accuracy"]
    assert accuracy["n"] == accuracy["lossless"] >= 2000
    held = set(shipped.splits["evaluation"])
    assert len(held) == accuracy["n"]
    for split in ("reference", "dev", "calibration"):
        assert not held & set(shipped.splits[split])


def test_the_samples_are_recognised(shipped: Bundle) -> None:
    source = open_source("samples")
    predicted = shipped.read(source.pixels(range(20))).predicted
    assert (predicted == source.labels).sum() >= 18


def test_attacks_on_samples_in_the_gallery_still_flip(shipped: Bundle) -> None:
    rows = [row for row in shipped.gallery if row.id.startswith("samples:")]
    assert rows
    for row in rows:
        (pixel,) = row.pixels
        colour = bytes(pixel.after).hex()
        token = f"{row.id}~{pixel.row}.{pixel.col}.{colour}"
        pair = Pair.from_token(token, shipped.shape)
        assert pair.attacked is not None
        before, after = shipped.read(np.stack([pair.benign, pair.attacked])).predicted
        assert shipped.classes[before] == row.true
        assert shipped.classes[after] == row.predicted_after != row.true


def test_the_evaluator_is_exact_at_every_position(shipped: Bundle) -> None:
    evaluator = evaluator_for(shipped.model, shipped.shape, "float32")
    assert evaluator.incremental
    rng = np.random.default_rng(0)
    image = open_source("samples").pixels([3])[0]
    places = np.stack(np.meshgrid(range(32), range(32), indexing="ij"), -1).reshape(-1, 1, 2)
    colours = rng.integers(0, 256, (1024, 1, 3)).astype(np.uint8)
    found = evaluator.confirm(image, places, colours)
    for part in np.split(np.arange(1024), 8):
        plain = evaluator.plain(paint(image, places[part], colours[part]))
        assert np.abs(found[part] - plain).max() < 1e-4


def test_the_gallery_is_large_and_held_out(shipped: Bundle) -> None:
    about = shipped.manifest["gallery"]
    held = set(shipped.splits["evaluation"])
    rows = [row for row in shipped.gallery if not row.id.startswith("samples:")]
    assert len(rows) >= 300
    assert len({row.id for row in rows}) == len(rows) == about["evaluation"]["succeeded"]
    for row in rows:
        assert row.id in held
        assert row.predicted_before == row.true != row.predicted_after
        (pixel,) = row.pixels
        assert pixel.before != pixel.after
        assert 0 < row.first_hit <= row.queries <= about["budget"]


@pytest.mark.spec("SP-2")
def test_every_distribution_counts_every_reference_image(shipped: Bundle) -> None:
    for layer in shipped.layers:
        for reduction in shipped.reductions(layer):
            found = shipped.distributions(layer, reduction)
            assert found.n.sum() == len(shipped.splits["reference"])
            assert (found.counts.sum(-1) == found.n[:, None]).all()


def test_each_class_has_enough_calibration_images_for_one_percent(shipped: Bundle) -> None:
    detector = load_detector(shipped)
    assert all(len(detector.calibration.images.benign(c)) >= 99 for c in range(10))


@pytest.mark.spec("CE-5")
def test_no_stored_attack_breaks_the_proof(shipped: Bundle) -> None:
    # Two; `certify --source samples` and `bench certificate` do it for more.
    rows = [row for row in shipped.gallery if row.id.startswith("samples:")][:2]
    pairs = [row.look_up() for row in rows]
    before = certify(shipped.model, np.stack([pair.images[0] for pair in pairs]))
    after = certify(shipped.model, np.stack([pair.images[1] for pair in pairs]))
    for row, clean, attacked in zip(rows, before, after, strict=True):
        assert attacked.predicted == shipped.class_index(row.predicted_after)
        assert attacked.alarm or not clean.certified
        if clean.certified:
            assert attacked.labels is not None
            assert clean.predicted in attacked.labels


@pytest.mark.spec("CG-4")
def test_what_its_classes_lose_without_their_drawn_units_is_as_the_readme_says(
    shipped: Bundle,
) -> None:
    kept = {asked.strongest: found for asked, found in kept_faithful(shipped).items()}
    assert set(kept) == {None, 4, 2}
    text = " ".join(README.split())
    for strongest, found in kept.items():
        assert [each.label for each in found] == list(range(10))
        assert all(each.whole.n == 30 for each in found)
        removed = paired_gaps(found)["remove"]
        assert removed[RANDOM].clear
        if strongest is None:
            assert not removed[ACTIVE].clear
            continue
        assert removed[ACTIVE].clear
        for gap in removed.values():
            low, high = (100 * end for end in gap.ci95)
            assert f"{100 * gap.mean:.1f}" in text
            assert f"{low:.1f} to {high:.1f}" in text


def test_units_that_its_graphs_draw_have_a_picture(shipped: Bundle) -> None:
    graphs = ClassGraphs(shipped)
    for label in graphs.labels:
        nodes = graphs.of_class(label).nodes
        pictures = unit_pictures(shipped, label)
        without = [node.unit for node in nodes if node.unit not in pictures]
        assert not without, shipped.classes[label]
