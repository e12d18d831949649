"""Every kind of model is right at every step, or refused in one sentence; right = our own sums."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ndcore.activations.histograms import ClassHistograms
from ndcore.attacks import AttackConfig, attack_images
from ndcore.bundles.build import BuildConfig, build
from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.cli import main
from ndcore.detectors import load_detector
from ndcore.errors import NeuralDivergenceError
from ndcore.networks.brought.opening import Wishes, open_images
from ndcore.networks.registry import model_spec
from pages.ui.frame.page_list import DETECTOR, PAGES
from pages.ui.frame.words import verdict_sentence
from tests.own import kinds
from tests.ui import opened, texts

CHANNELS_LAST = ("swin", "convnext")
KINDS = Path(kinds.__file__).resolve()


def name_of(kind: str) -> str:
    return f"{KINDS}:{kind.replace('-', '_')}"


def stored(kind: str) -> nn.Module:
    """The module with its weights as float16 holds them."""
    module = kinds.FINE[kind]().eval().float()
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point() and tensor.abs().max() < 65504:
                tensor.copy_(tensor.half().float())
    return module


def own_pass(module: nn.Module, pixels: np.ndarray) -> object:
    images = torch.from_numpy(pixels.astype(np.float32) / 255).permute(0, 3, 1, 2)
    with torch.no_grad():
        return module(images.contiguous())


def own_counts(
    kind: str, layer: str, pixels: np.ndarray, labels: np.ndarray, held: ClassHistograms
) -> np.ndarray:
    """Counts (classes, units, bins) of the largest values of a map of (N, units, H, W)."""
    module, found = stored(kind), []
    part, _, number = layer.partition("#")
    call = int(number or 0) - 1
    module.get_submodule(part).register_forward_hook(
        lambda _part, _inputs, output: found.append(output.clone())
    )
    own_pass(module, pixels)
    values = found[call].amax((2, 3)).numpy().astype(np.float64)
    bins = np.floor((values - held.lo) / (held.hi - held.lo) * 256).clip(0, 255).astype(int) + 1
    bins[values == 0] = 0
    counts = np.zeros_like(held.counts)
    for label, row in zip(labels, bins, strict=True):
        counts[label, np.arange(len(row)), row] += 1
    return counts


def own_logits(kind: str, pixels: np.ndarray) -> np.ndarray:
    """What plain torch makes of the images, with weights as float16 holds them."""
    answer = own_pass(stored(kind), pixels)
    if isinstance(answer, Tensor):
        logits = answer.log() if kind == "softmax" else answer
    elif kind == "tuple":
        logits = answer[1]
    else:
        logits = answer["logits"] if isinstance(answer, dict) else answer.logits
    return logits.numpy()


@pytest.mark.spec("OM-1")
@pytest.mark.parametrize("kind", kinds.FINE)
def test_it_is_right_at_every_step(kind: str, folder: Path, empty_cache: Path) -> None:
    spec, source = open_images(model_spec(name_of(kind)), folder, Wishes())
    config = BuildConfig("mine", spec.name, gallery=1, gallery_images=1)
    manifest = build(config, source, spec=spec)
    bundle = load_bundle("mine")
    assert bundle.weight_hash == manifest["weight_hash"]
    assert bundle.shape == (12, 12, 3)

    members = [source.keys().index(key) for key in bundle.splits["evaluation"]]
    pixels = source.pixels(members)
    own = own_logits(kind, pixels)
    reading = bundle.read(pixels)
    scale = max(1.0, float(np.abs(own).max()))
    np.testing.assert_allclose(reading.logits, own, atol=1e-4 * scale)
    labels = source.labels[members]
    assert manifest["accuracy"]["accuracy"] == pytest.approx((own.argmax(1) == labels).mean())

    reference = [source.keys().index(key) for key in bundle.splits["reference"]]
    per_class = np.bincount(source.labels[reference], minlength=3).tolist()
    for layer in bundle.layers:
        for reduction in bundle.reductions(layer):
            assert bundle.distributions(layer, reduction).n.tolist() == per_class

    first = bundle.layers[0].removeprefix("model.")
    if kind not in CHANNELS_LAST and "max" in bundle.reductions(bundle.layers[0]):
        held = bundle.distributions(bundle.layers[0], "max")
        own_labels = source.labels[reference]
        counts = own_counts(kind, first, source.pixels(reference), own_labels, held)
        # A value on the edge of two bins may fall to either side.
        assert np.abs(counts - held.counts).sum() <= 0.02 * counts.sum()

    attacked = pixels[:2]
    told = own[:2].argmax(1)
    for engine in ("fast", "pgd", "gradient"):
        config = AttackConfig(engine, max_queries=None if engine == "pgd" else 60, epsilon=64)
        if engine != "fast" and kind in ("function", "in-place"):
            why = "can only be called, so there is no gradient" if kind == "function" else "no grad"
            with pytest.raises(NeuralDivergenceError, match=why):
                attack_images(bundle.model, attacked, told, ["a", "b"], config)
            continue
        for result in attack_images(bundle.model, attacked, told, ["a", "b"], config):
            assert not result.skipped
            after = own_logits(kind, result.attacked[None])[0]
            assert result.success == (after.argmax() != result.true)

    verdicts = load_detector(bundle).detect(attacked)
    assert [verdict.predicted for verdict in verdicts] == told.tolist()
    assert all(0 < verdict.p_value <= 1 for verdict in verdicts)
    pages_are_right(kind, bundle, source.ids[members[0]], pixels[0])


def pages_are_right(kind: str, bundle: Bundle, image_id: str, image: np.ndarray) -> None:
    """Every page opens on the image with its pixel (3, 4) red; verdicts are of what torch says."""
    attacked = image.copy()
    attacked[3, 4] = (255, 0, 0)
    at = opened("Home.py", bundle="mine")
    for page in PAGES:
        at.switch_page(page.path)
        at.query_params["bundle"] = "mine"
        at.query_params["pair"] = f"{image_id}~3.4.ff0000"
        at.query_params["detector"] = "wasserstein"
        at.run()
        assert not at.exception, page.name
        assert not at.error, page.name
        if page == DETECTOR:
            told = texts(at)
            detector = load_detector(bundle)
            alpha = at.select_slider(key="alpha").value / 100
            own = own_logits(kind, np.stack([image, attacked])).argmax(1)
            seen = detector.detect(np.stack([image, attacked]), alpha)
            for name, label, verdict in zip(("benign", "attacked"), own, seen, strict=True):
                assert verdict_sentence(bundle.classes[label], name, verdict) in told


@pytest.mark.parametrize("kind", kinds.REFUSED)
def test_it_is_refused_in_one_sentence(
    kind: str, folder: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    why = kinds.REFUSED[kind][1]
    for command in (["build", "mine", "--model"], ["train"]):
        assert main([*command, name_of(kind), "--data", str(folder)]) == 2
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert re.search(why, told), told
