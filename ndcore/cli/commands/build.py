"""`build`."""

from __future__ import annotations

import resource
import sys
import time
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from functools import partial
from pathlib import Path

from ndcore.cli.commands import Answer
from ndcore.cli.progress import Progress
from ndcore.cli.shared_options import add_crew, add_new_data, add_own_model, crew_of
from ndcore.errors import BadRequestError


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", metavar="BUNDLE")
    add_new_data(parser)
    add_own_model(parser)
    add_crew(parser)
    parser.add_argument(
        "--model",
        help="registered name, file.py:function or a file such as net.onnx (default: BUNDLE)",
    )
    parser.add_argument(
        "--activations",
        metavar="FILE",
        help="npz file of stored activations, instead of a model and its images",
    )
    parser.add_argument(
        "--weights", help="safetensors file or state dict of torch.save (default: the model's run)"
    )
    parser.add_argument(
        "--run", metavar="NAME", help="training run to take (default: the one without a --run)"
    )
    parser.add_argument(
        "--layers",
        nargs="+",
        metavar="NAME",
        help="layers to observe (default: those that `layers` proposes)",
    )
    parser.add_argument(
        "--only",
        choices=("graph",),
        help="of a bundle that is there: make its concept graphs (again), and nothing else",
    )
    parser.add_argument("--gallery", type=int, default=12, metavar="N", help="successes to collect")
    parser.add_argument("--gallery-images", type=int, default=60, metavar="N", help="images to try")
    parser.add_argument("--seed", type=int, default=0)


def run(options: Namespace) -> Answer:
    """Build a bundle, or a part of one that is there.

    Raises:
        BadRequestError: workers were asked for, who have no share in a part.
    """
    if options.only and crew_of(options):
        raise BadRequestError("--workers and --scheduler share out a whole build, not --only")
    return _graph(options) if options.only == "graph" else _whole(options)


def _graph(options: Namespace) -> Answer:
    """The concept graphs of a bundle that is there."""
    from ndcore.analysis.class_graphs import add_graph
    from ndcore.analysis.mechanism.unit_pictures import add_unit_pictures
    from ndcore.bundles.bundle import load_bundle
    from ndcore.bundles.images import open_for
    from ndcore.bundles.manifest import GRAPHS
    from ndcore.cli.selection import default_data, parts_of

    started = time.monotonic()
    bundle = load_bundle(options.bundle)
    source = open_for(bundle, options.data or default_data(bundle), parts_of(options))
    with Progress() as progress:
        images = add_graph(bundle, source, on_step=progress.step)
        pictures = add_unit_pictures(load_bundle(options.bundle), source, progress.step)
    size = sum(each.stat().st_size for name in GRAPHS if (each := bundle.folder / name).is_file())
    document = {
        "bundle": bundle.name,
        "images": images,
        "seconds": round(time.monotonic() - started, 1),
        "pictures": pictures,
        "graph_mb": round(size / 1e6, 2),
    }
    text = (
        f"bundle {bundle.name}: concept graphs of {images:,} images and {pictures:,} pictures of "
        f"their units in {document['seconds']} s, {document['graph_mb']} MB"
    )
    return document, text, 0


def _whole(options: Namespace) -> Answer:
    """Build a bundle; a model whose data is known is trained first where it was not."""
    from ndcore.analysis.mechanism.unit_pictures import add_unit_pictures
    from ndcore.bundles.build import BuildConfig, build
    from ndcore.bundles.bundle import load_bundle
    from ndcore.cli.shards.network import asked_network, shared_build
    from ndcore.cli.text import share
    from ndcore.networks.form import Finding
    from ndcore.storage.places import run_dir
    from ndcore.training.checkpoints import read_run
    from ndcore.training.loop import train
    from ndcore.training.recipes import recipe

    crew = crew_of(options)
    name, spec, source = asked_network(options)
    brought = options.weights or options.run
    untrained = not brought and not (read_run(run_dir(name)) or {}).get("done")
    if untrained and spec.data and options.data is None and not spec.own:
        train(spec, source, replace(recipe(name), seed=options.seed), run_dir(name))
    config = BuildConfig(
        name=options.bundle,
        model=name,
        weights=Path(options.weights) if options.weights else None,
        run=options.run or None,
        gallery=options.gallery,
        gallery_images=options.gallery_images,
        seed=options.seed,
        layers=tuple(options.layers or ()),
    )
    with Progress() as progress:
        manifest = build(
            config,
            source,
            spec=spec,
            on_step=progress.step,
            on_cost=lambda cost: print(cost.sentence, file=sys.stderr),
            share=None if crew is None else partial(shared_build, crew, options),
        )
        bundle = load_bundle(options.bundle)
        if bundle.graph_arrays is not None:
            add_unit_pictures(bundle, source, progress.step)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    document = {
        "bundle": options.bundle,
        "images": manifest["images"],
        "seconds": manifest["seconds"],
        "accuracy": manifest["accuracy"],
        "peak_memory_mb": round(peak_mb),
        "findings": manifest["findings"],
    }
    text = (
        f"bundle {options.bundle}: {manifest['images']} images in {manifest['seconds']} s, "
        f"held-out accuracy {share(manifest['accuracy'])}, peak memory {peak_mb:.0f} MB"
    )
    again = [layer for layer in manifest["layers"] if layer.get("runs")]
    text += "".join(
        f"\nlayer '{layer['name']}' runs {layer['runs']} times in a pass; the last is observed"
        for layer in again
    )
    text += "".join(f"\n{Finding(**row).sentence}" for row in manifest["findings"])
    return document, text, 0
