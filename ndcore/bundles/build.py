"""Build a bundle: distributions, accuracy, detector calibration and a gallery of attacks.

The bundle is made in a hidden folder and takes its name only when it is whole, so that a killed
build leaves nothing behind that could be loaded.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ndcore.activations.distributions import Histograms, count_distributions, layer_table
from ndcore.activations.histograms import BINS
from ndcore.activations.observed import Observed
from ndcore.activations.proposal import proposed_layers
from ndcore.bundles.calibrate import calibrate
from ndcore.bundles.estimate import GALLERY_IMAGES, Estimate, estimate_build
from ndcore.bundles.gallery import GalleryConfig, gallery_lines, make_gallery
from ndcore.bundles.image_findings import image_findings
from ndcore.bundles.manifest import FILES, GRAPH_FILE, SCHEMA
from ndcore.bundles.trained import trained_model
from ndcore.concept_graph.all_classes import graph_arrays
from ndcore.data.catalog import own_root
from ndcore.data.sources import ImageSource
from ndcore.data.splits import make_splits, positions
from ndcore.detectors import Calibration
from ndcore.errors import BadRequestError, DataError
from ndcore.networks.brought.made_up import made_up_answer
from ndcore.networks.brought.opening import usable
from ndcore.networks.called.stored import Stored
from ndcore.networks.consent import allow
from ndcore.networks.form import INNER, PLAIN, Finding
from ndcore.networks.forward import evaluate
from ndcore.networks.registry import ModelSpec, layer_names, model_spec
from ndcore.networks.stoppable import stoppable
from ndcore.networks.weights import round_weights, save_weights, stamp, weight_hash
from ndcore.scale.network.counted import count_shared
from ndcore.scale.network.shared import Shared
from ndcore.steps import ShouldStop, Step, counter, no_step
from ndcore.storage.atomic import replace_folder, write_bytes, write_json
from ndcore.storage.lock import only_one
from ndcore.storage.places import bundles_dir
from ndcore.storage.plain_files import sha256_of

Share = Callable[[nn.Module, ImageSource], Shared]

LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "safetensors")

ELSEWHERE = Finding(
    "which images the network was trained on is not known here: where it has seen those held out, "
    "its accuracy and thresholds flatter it",
    remedy="build with images that took no part in its training",
)


@dataclass(frozen=True)
class BuildConfig:
    """What to build.

    Attributes:
        name: of the bundle.
        model: registry name or factory (see `ndcore.networks.registry.model_spec`).
        weights: safetensors file, or None to use a training run, or those that an own model
            brings.
        run: name of the training run; None = the one of the model's own name.
        gallery: stop the gallery after so many verified successes on images held out of training,
            lossless ones where there are any; 0 makes none.
        gallery_images: or after so many of these images.
        layers: to observe, in order; none = those the model names, else the proposed ones.
        seed: of splits without a training run, of samples and of attacks.
    """

    name: str
    model: str
    weights: Path | None = None
    run: str | None = None
    gallery: int = 12
    gallery_images: int = GALLERY_IMAGES
    seed: int = 0
    layers: tuple[str, ...] = ()


def build(
    config: BuildConfig,
    source: ImageSource,
    *,
    spec: ModelSpec | None = None,
    on_step: Step = no_step,
    on_cost: Callable[[Estimate], None] | None = None,
    should_stop: ShouldStop = None,
    share: Share | None = None,
) -> dict[str, Any]:
    """Build `config.name` from `source` and write it to the bundles folder.

    Args:
        config: what to build.
        source: labelled images of the model's shape.
        spec: the model where it was probed already; default: `config.model` is.
        on_step: called with (what is being done, done, total).
        on_cost: told what it will cost, before the first image is read.
        should_stop: asked before every function of torch.
        share: makes of the network and the images what a crew counts and attacks; None: all is
            done here.

    Returns:
        The manifest, with `images` (reference images counted), `seconds` and `findings` (what is
        to be known of the model) added.

    Raises:
        BadRequestError: bad name, one that another process builds, a model that cannot be used,
            or a layer that cannot be observed.
        BundleError: there are no weights, or they belong to another model.
        DataError: the images do not fit the model.
        StoppedError: `should_stop` said so; nothing is written.
    """
    if config.name != Path(config.name).name or config.name.startswith("."):
        raise BadRequestError(f"'{config.name}' cannot be the name of a bundle")
    place = bundles_dir() / config.name
    with only_one(place, f"bundle '{config.name}'"), stoppable(should_stop):
        return _build(config, source, spec, on_step, on_cost, share)


def _build(
    config: BuildConfig,
    source: ImageSource,
    spec: ModelSpec | None,
    on_step: Step,
    on_cost: Callable[[Estimate], None] | None,
    share: Share | None,
) -> dict[str, Any]:
    started = time.monotonic()
    spec = usable(spec or model_spec(config.model), source)
    _require_fit(spec, source)
    model, run, untrained = trained_model(spec, config.weights, config.run)
    if run and run.get("crop") != source.intake.crop:
        was = f"with --crop {run['crop']:g}" if run.get("crop") else "without --crop"
        raise DataError(f"{config.model} was trained on images {was}: build it so too")
    if isinstance(model, Stored) and model.held.classes != source.classes:
        raise DataError(f"the images are of other classes than {spec.name} has answers for")
    findings = [*untrained, *(spec.findings or ()), *_rounding(model)]
    answer = made_up_answer(model, source.shape) if spec.own else None
    if answer is not None:
        stamp(model, answer)
    splits = run["splits"] if run else make_splits(source, config.seed)
    findings += [*image_findings(source, splits), *([] if run else [ELSEWHERE])]
    members = _members(source, splits)
    layers = observed_layers(config.layers, spec, model, source.shape)
    reference = members["reference"]
    if on_cost is not None:
        on_cost(
            estimate_build(
                model,
                layers,
                source.shape,
                source,
                gallery_images=config.gallery_images,
                repaired=len(members["calibration"]) if spec.form.closed else 0,
            )
        )
    shared = None if share is None else share(model, source)
    count = count_distributions if shared is None else partial(count_shared, shared)
    histograms = count(
        model,
        layers,
        source,
        reference,
        config.seed,
        on_batch=counter(on_step, "distributions", len(reference)),
    )
    on_step("accuracy", 0, 0)
    accuracy = {"split": "evaluation"} | evaluate(model, source, members["evaluation"])
    manifest = {
        "schema_version": SCHEMA,
        "name": config.name,
        "model": config.model,
        "classes": list(source.classes),
        "shape": list(source.shape),
        "layers": layer_table(model, layers, source.shape),
        "weight_hash": weight_hash(model),
        "seed": config.seed,
        "accuracy": accuracy,
        "data": _describe(source, members),
        "training": _training_record(run),
        "distributions": {"images": len(reference), "split": "reference"} | _kept(histograms),
        "versions": {"python": platform.python_version()}
        | {library: version(library) for library in LIBRARIES},
    }
    if chosen := source.intake.to_dict():
        manifest["intake"] = chosen
    if answer is not None:
        manifest |= {"form": spec.form.to_dict(), "answer": answer}
    observed = Observed(model, layers, source.classes, source.shape, histograms)
    calibrations, left = calibrate(
        observed, source, members, answers_alone=spec.form.closed, on_step=on_step
    )
    findings += left
    seen = {part: len(members[part]) for part in ("dev", "calibration")}
    manifest["detectors"] = dict.fromkeys(calibrations, seen)
    successes = 0 if isinstance(model, Stored) else config.gallery
    asked = GalleryConfig(
        successes, config.gallery_images, config.seed, config.model == "cifar10-vgg16"
    )
    gallery, manifest["gallery"] = make_gallery(
        model, source, members["evaluation"], asked, on_step, shared
    )
    arrays = {
        "distributions.npz": _histogram_arrays(histograms),
        "calibration.npz": _calibration_arrays(calibrations),
    }
    if not spec.form.closed:
        try:
            arrays[GRAPH_FILE] = graph_arrays(model, layers, source, reference, on_step)
        except BadRequestError as why:
            findings.append(Finding(str(why)))
    on_step("writing", 0, 0)
    _write(manifest, model, splits, arrays, gallery_lines(gallery))
    allow(config.model)
    seconds = round(time.monotonic() - started, 1)
    told = [vars(finding) for finding in findings]
    return manifest | {"images": len(reference), "seconds": seconds, "findings": told}


def _require_fit(spec: ModelSpec, source: ImageSource) -> None:
    if spec.classes and spec.classes != source.classes:
        raise DataError(
            f"the data has classes {', '.join(source.classes[:3])}, ... but {spec.name} "
            f"was made for {', '.join(spec.classes[:3])}, ..."
        )
    if source.shape != spec.shape:
        raise DataError(f"the images are {source.shape} but {spec.name} takes {spec.shape}")


def observed_layers(
    asked: Sequence[str], spec: ModelSpec, model: nn.Module, shape: tuple[int, int, int]
) -> tuple[str, ...]:
    """Those asked for, by the names that an own model has inside too; else the proposed ones."""
    if asked:
        own = spec.form != PLAIN
        parts = dict(model.named_modules())
        return tuple(
            f"{INNER}.{name}"
            if own and f"{INNER}.{name.split('#')[0].split('@')[0]}" in parts
            else name
            for name in asked
        )
    if spec.own and not hasattr(model, "layers"):
        return proposed_layers(model, shape)
    return layer_names(model)


def _members(source: ImageSource, splits: dict[str, list[str]]) -> dict[str, list[int]]:
    """Where the images of each split lie in the source, which must hold them all."""
    members = {name: positions(source, keys) for name, keys in splits.items()}
    for name, keys in splits.items():
        if len(members[name]) < len(keys):
            raise DataError(
                f"the data lacks images of the '{name}' split the model was trained with"
            )
    return members


def _rounding(model: nn.Module) -> list[Finding]:
    """Round the weights to what a bundle stores, so that everything is measured on these."""
    change, kept = round_weights(model)
    if not change:
        return []
    told = (
        f"weights are stored as float16, {100 * change:.2g}% of the largest of a tensor off at most"
    )
    exact = (
        f"'{kept[0]}' and {len(kept) - 1} more" if len(kept) > 1 else f"'{kept[0]}'" if kept else ""
    )
    return [Finding(f"{told}" + (f"; {exact}, beyond its range, in float32" if exact else ""))]


def _training_record(run: dict[str, Any] | None) -> dict[str, Any]:
    if run is None:
        return {}
    kept = ("data", "config", "epochs", "dtype")
    return {"images": len(run["splits"]["reference"])} | {key: run[key] for key in kept}


def _describe(source: ImageSource, members: dict[str, list[int]]) -> dict[str, Any]:
    """Per split how many images, how many of them in lossless files; and where a folder lies."""
    place = own_root(source)
    return ({"root": place} if place else {}) | {
        "source": source.name,
        "splits": {
            name: {"images": len(rows), "lossless": int(source.lossless[rows].sum())}
            for name, rows in members.items()
        },
    }


def _write(
    manifest: dict[str, Any],
    model: nn.Module,
    splits: dict[str, list[str]],
    arrays: dict[str, dict[str, NDArray[Any]]],
    gallery: bytes,
) -> None:
    """The whole bundle at once; adds the checksums of its files to the manifest."""
    with replace_folder(bundles_dir() / manifest["name"]) as folder:
        save_weights(folder / "weights.safetensors", model.state_dict(), half=True)
        write_json(folder / "splits.json", splits)
        write_bytes(folder / "gallery.json", gallery)
        for name, content in arrays.items():
            np.savez_compressed(folder / name, allow_pickle=False, **content)
        manifest["files"] = {
            name: sha256_of(folder / name) for name in dict.fromkeys((*FILES, *arrays))
        }
        write_json(folder / "manifest.json", manifest)


def _kept(histograms: Histograms) -> dict[str, Any]:
    """How many bins a histogram has, and the classes with images where some have none."""
    found = next(iter(histograms.values()), None)
    if found is None:
        return {"bins": BINS}
    held = {} if len(found.held) == found.classes else {"held": list(found.held)}
    return {"bins": found.bins} | held


def _histogram_arrays(histograms: Histograms) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for (layer, reduction), found in histograms.items():
        smallest = np.min_scalar_type(int(found.counts.max()))
        arrays[f"{layer}/{reduction}/counts"] = found.counts.astype(smallest, copy=False)
        arrays[f"{layer}/{reduction}/lo"] = found.lo
        arrays[f"{layer}/{reduction}/hi"] = found.hi
    return arrays


def _calibration_arrays(calibrations: dict[str, Calibration]) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for name, calibration in calibrations.items():
        arrays |= {
            f"{name}/{what}": values
            for what in ("dev", "layers", "scores")
            if (values := getattr(calibration, what)) is not None
        }
        arrays["predicted"] = calibration.predicted
    return arrays
