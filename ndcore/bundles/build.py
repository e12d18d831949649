"""Build a bundle: distributions, accuracy, detector calibration and a gallery of attacks.

The bundle is made in a hidden folder and takes its name only when it is whole, so that a killed
build leaves nothing behind that could be loaded.
"""

from __future__ import annotations

import hashlib
import io
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ndcore.activations.distributions import Histograms, count_distributions, layer_table
from ndcore.activations.histograms import BINS
from ndcore.activations.observed import Observed
from ndcore.activations.reading import read_source
from ndcore.bundles.bundle import FILES, SCHEMA
from ndcore.bundles.gallery import GalleryConfig, gallery_lines, make_gallery
from ndcore.data.sources import ImageSource
from ndcore.data.splits import make_splits, positions
from ndcore.detectors import DETECTORS, Calibration
from ndcore.errors import BadRequestError, BundleError, DataError
from ndcore.networks.forward import evaluate, predict
from ndcore.networks.registry import layer_names, model_spec
from ndcore.networks.weights import load_weights, rounded, save_weights, weight_hash
from ndcore.steps import ShouldStop, Step, counter, no_step
from ndcore.storage.atomic import replace_folder, write_bytes, write_json
from ndcore.storage.places import bundles_dir, run_dir
from ndcore.training.checkpoints import is_same_network, read_run

LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "safetensors")


@dataclass(frozen=True)
class BuildConfig:
    """What to build.

    Attributes:
        name: of the bundle.
        model: registry name or factory (see `ndcore.networks.registry.model_spec`).
        weights: safetensors file, or None to use the model's training run.
        gallery: stop the gallery after so many verified successes on lossless images held out
            of training; 0 makes none.
        gallery_images: or after so many of these images.
        seed: of splits without a training run, of samples and of attacks.
    """

    name: str
    model: str
    weights: Path | None = None
    gallery: int = 12
    gallery_images: int = 60
    seed: int = 0


def build(
    config: BuildConfig,
    source: ImageSource,
    *,
    on_step: Step = no_step,
    should_stop: ShouldStop = None,
) -> dict[str, Any]:
    """Build `config.name` from `source` and write it to the bundles folder.

    Args:
        config: what to build.
        source: labelled images of the model's shape.
        on_step: called with (what is being done, done, total).
        should_stop: asked between batches.

    Returns:
        The manifest, with `images` (reference images counted) and `seconds` added.

    Raises:
        BadRequestError: bad name or model, or a layer of it that cannot be observed.
        BundleError: there are no weights, or they belong to another model.
        DataError: the images do not fit the model.
        StoppedError: `should_stop` said so; nothing is written.
    """
    started = time.monotonic()
    if config.name != Path(config.name).name or config.name.startswith("."):
        raise BadRequestError(f"'{config.name}' cannot be the name of a bundle")
    model, run = _trained_model(config)
    _require_fit(config, source)
    splits = run["splits"] if run else make_splits(source, config.seed)
    members = _members(source, splits)
    if predict(model, source, members["dev"][:1]).shape[1] != len(source.classes):
        raise DataError("the model has not as many outputs as the data has classes")
    layers = layer_names(model)
    reference = members["reference"]
    histograms = count_distributions(
        model,
        layers,
        source,
        reference,
        config.seed,
        on_batch=counter(on_step, "distributions", len(reference)),
        should_stop=should_stop,
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
        "distributions": {"images": len(reference), "split": "reference", "bins": BINS},
        "versions": {"python": platform.python_version()}
        | {library: version(library) for library in LIBRARIES},
    }
    on_step("detector calibration", 0, 0)
    observed = Observed(model, layers, source.classes, source.shape, histograms)
    dev = read_source(model, layers, source, members["dev"], should_stop=should_stop)
    held = read_source(model, layers, source, members["calibration"], should_stop=should_stop)
    calibrations = {
        name: entry.make(observed).fit(dev, held).calibration
        for name, entry in DETECTORS.items()
        if entry.calibrated_by == "build"
    }
    manifest["detectors"] = {
        name: {"dev": len(dev.logits), "calibration": len(held.logits)} for name in calibrations
    }
    asked = GalleryConfig(
        config.gallery, config.gallery_images, config.seed, config.model == "cifar10-vgg16"
    )
    gallery, manifest["gallery"] = make_gallery(
        model, source, members["evaluation"], asked, on_step, should_stop
    )
    on_step("writing", 0, 0)
    contents = {
        "distributions.npz": _npz(_histogram_arrays(histograms)),
        "calibration.npz": _npz(_calibration_arrays(calibrations)),
        "gallery.json": gallery_lines(gallery),
    }
    _write(manifest, model, splits, contents)
    seconds = round(time.monotonic() - started, 1)
    return manifest | {"images": len(reference), "seconds": seconds}


def _require_fit(config: BuildConfig, source: ImageSource) -> None:
    spec = model_spec(config.model)
    if spec.classes and spec.classes != source.classes:
        raise DataError(
            f"the data has classes {', '.join(source.classes[:3])}, ... but {config.model} "
            f"was made for {', '.join(spec.classes[:3])}, ..."
        )
    if source.shape != spec.shape:
        raise DataError(f"the images are {source.shape} but {config.model} takes {spec.shape}")


def _members(source: ImageSource, splits: dict[str, list[str]]) -> dict[str, list[int]]:
    """Where the images of each split lie in the source, which must hold them all."""
    members = {name: positions(source, keys) for name, keys in splits.items()}
    for name, keys in splits.items():
        if len(members[name]) < len(keys):
            raise DataError(
                f"the data lacks images of the '{name}' split the model was trained with"
            )
    return members


def _trained_model(config: BuildConfig) -> tuple[nn.Module, dict[str, Any] | None]:
    spec = model_spec(config.model)
    model = spec.build()
    if config.weights:
        load_weights(model, config.weights)
        # The bundle stores float16, so everything in it is measured on weights rounded to that.
        weights = model.state_dict()
        model.load_state_dict({n: rounded(t).to(t.dtype) for n, t in weights.items()})
        return model.eval(), None
    folder = run_dir(config.model)
    run = read_run(folder)
    how = f"python -m ndcore train {config.model}"
    if run is None or not run["done"]:
        raise BundleError(f"there are no trained weights of {config.model}; make them with: {how}")
    if not is_same_network(run, spec):
        raise BundleError(
            f"{config.model} is another network than was trained; train it with: {how}"
        )
    return load_weights(model, folder / "weights.safetensors"), run


def _training_record(run: dict[str, Any] | None) -> dict[str, Any]:
    if run is None:
        return {}
    kept = ("data", "config", "epochs", "dtype")
    return {"images": len(run["splits"]["reference"])} | {key: run[key] for key in kept}


def _describe(source: ImageSource, members: dict[str, list[int]]) -> dict[str, Any]:
    """Per split: how many images, and how many of them in lossless files."""
    return {
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
    contents: dict[str, bytes],
) -> None:
    """The whole bundle at once; adds the checksums of its files to the manifest."""
    with replace_folder(bundles_dir() / manifest["name"]) as folder:
        save_weights(folder / "weights.safetensors", model.state_dict(), half=True)
        write_json(folder / "splits.json", splits)
        for name, content in contents.items():
            write_bytes(folder / name, content)
        manifest["files"] = {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES
        }
        write_json(folder / "manifest.json", manifest)


def _histogram_arrays(histograms: Histograms) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for (layer, reduction), found in histograms.items():
        smallest = np.min_scalar_type(int(found.counts.max()))
        arrays[f"{layer}/{reduction}/counts"] = found.counts.astype(smallest)
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


def _npz(arrays: dict[str, NDArray[Any]]) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, **arrays)
    return out.getvalue()
