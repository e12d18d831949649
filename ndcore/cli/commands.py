"""One handler per command: options -> (JSON document, text for people, exit status)."""

from __future__ import annotations

import importlib
import platform
import resource
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import ndcore
from ndcore.bundles.build import BuildConfig, run_dir
from ndcore.bundles.build import build as build_bundle
from ndcore.bundles.bundle import list_bundles, load_bundle
from ndcore.cli.attack import attack
from ndcore.cli.detect import detect, study
from ndcore.cli.progress import Progress
from ndcore.cli.selection import choose_members, data_of, default_data
from ndcore.cli.text import histogram_csv, share
from ndcore.cli.train import evolve, train
from ndcore.data.catalog import fetch_cifar10, open_data, source_status
from ndcore.errors import BadRequestError
from ndcore.evolution import list_runs
from ndcore.networks.forward import evaluate as evaluate_model
from ndcore.networks.forward import pick_device
from ndcore.networks.registry import model_spec
from ndcore.storage.atomic import write_bytes
from ndcore.storage.places import cache_dir
from ndcore.training.checkpoints import read_run
from ndcore.training.loop import train as train_model
from ndcore.training.recipes import recipe

__all__ = [
    "attack",
    "bench",
    "build",
    "data_fetch",
    "detect",
    "distributions",
    "evaluate",
    "evolve",
    "status",
    "study",
    "train",
]

Answer = tuple[dict[str, Any], str, int]


def status(_options: Namespace) -> Answer:
    bundles: list[dict[str, Any]] = [
        {
            "name": info.name,
            "ready": info.ready,
            "problem": info.problem,
            "accuracy": info.manifest.get("accuracy"),
        }
        for info in list_bundles()
    ]
    sources = [vars(row) for row in source_status()]
    runs = list_runs()
    document = {
        "version": ndcore.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": str(pick_device()),
        "cache": str(cache_dir()),
        "bundles": bundles,
        "sources": sources,
        "runs": runs,
    }
    lines = [f"ndcore {ndcore.__version__}, torch {torch.__version__}, {document['device']}"]
    lines += [
        f"bundle {row['name']}: "
        + (f"ready, accuracy {share(row['accuracy'])}" if row["ready"] else str(row["problem"]))
        for row in bundles
    ] or ["no bundle yet: python -m ndcore build digits-cnn"]
    lines += [
        f"source {row['name']}: "
        + (f"{row['images']} images" if row["ready"] else f"get it with: {row['how']}")
        for row in sources
    ]
    lines.append(f"recorded training runs: {', '.join(runs) or 'none'}")
    return document, "\n".join(lines), 0


def data_fetch(options: Namespace) -> Answer:
    root, images = fetch_cifar10(options.root)
    return {"root": str(root), "images": images}, f"CIFAR-10: {images} images in {root}", 0


def build(options: Namespace) -> Answer:
    name = options.model or options.bundle
    spec = model_spec(name)
    data = data_of(options.data, spec)
    source = open_data(data, spec.shape)
    untrained = not options.weights and not (read_run(run_dir(name)) or {}).get("done")
    if untrained and spec.data and options.data is None:
        train_model(spec, source, replace(recipe(name), seed=options.seed), run_dir(name))
    config = BuildConfig(
        name=options.bundle,
        model=name,
        weights=Path(options.weights) if options.weights else None,
        gallery=options.gallery,
        gallery_images=options.gallery_images,
        seed=options.seed,
    )
    with Progress() as progress:
        manifest = build_bundle(config, source, on_step=progress.step)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    document = {
        "bundle": options.bundle,
        "images": manifest["images"],
        "seconds": manifest["seconds"],
        "accuracy": manifest["accuracy"],
        "peak_memory_mb": round(peak_mb),
    }
    text = (
        f"bundle {options.bundle}: {manifest['images']} images in {manifest['seconds']} s, "
        f"held-out accuracy {share(manifest['accuracy'])}, peak memory {peak_mb:.0f} MB"
    )
    return document, text, 0


def evaluate(options: Namespace) -> Answer:
    bundle = load_bundle(options.bundle)
    source = open_data(options.data or default_data(options.bundle), bundle.shape)
    split, members = choose_members(bundle, source, options.split)
    found = evaluate_model(bundle.model, source, members)
    document = {"bundle": bundle.name, "source": source.name, "split": split} | found
    text = f"{bundle.name} on {split}: accuracy {share(found)}, {found['lossless']} lossless"
    return document, text, 0


def distributions(options: Namespace) -> Answer:
    bundle = load_bundle(options.bundle)
    fits = bundle.reductions(options.layer)
    reduction = options.reduction or fits[-1]
    found = bundle.distributions(options.layer, reduction)
    classes = options.classes or list(bundle.classes)
    rows = [bundle.class_index(name) for name in classes]
    if options.csv:
        try:
            write_bytes(Path(options.csv), histogram_csv(found, rows, classes).encode())
        except OSError as error:
            raise BadRequestError(f"cannot write {options.csv}: {error.strerror}") from error
    document = {
        "bundle": bundle.name,
        "layer": options.layer,
        "reduction": reduction,
        "bins": found.counts.shape[-1] - 1,
        "units": [
            {"unit": unit, "lo": float(found.lo[unit]), "hi": float(found.hi[unit])}
            for unit in range(found.units)
        ],
        "classes": [
            {
                "class": name,
                "n": int(found.n[row]),
                "medians": np.round(found.medians()[row].astype(float), 6).tolist(),
                "counts": found.counts[row].tolist(),
            }
            for name, row in zip(classes, rows, strict=True)
        ],
    }
    text = f"{options.layer} ({reduction}): {found.units} units, {document['bins']} bins, " + (
        f"written to {options.csv}" if options.csv else "counts with --json or --csv"
    )
    return document, text, 0


def bench(options: Namespace) -> Answer:
    root = str(Path(ndcore.__file__).resolve().parent.parent)
    if root not in sys.path:
        sys.path.insert(0, root)
    run = importlib.import_module(f"benchmarks.{options.name}").run
    with Progress() as progress:
        if options.name == "evolution":
            return _benched(run(options.n, on_step=progress.step))
        bundle = load_bundle(options.bundle)
        if options.name == "attack":
            document = run(
                bundle,
                options.n,
                peers=options.peers,
                data=options.data,
                de_queries=options.de_queries,
                picture=options.picture,
                on_step=progress.step,
            )
        elif options.name == "explorer":
            document = run(bundle, options.n, on_step=progress.step)
        else:
            document = run(bundle, options.n)
    return _benched(document)


def _benched(document: dict[str, Any]) -> Answer:
    lines = [f"{document['name']} on {document['machine']}"]
    lines += [
        f"{row['what']}: {row['value']:.4g} {row['unit']}"
        + (f", {row['ratio']:.3f} of {row['against']}" if row["ratio"] is not None else "")
        for row in document["rows"]
    ]
    return document, "\n".join(lines), 0
