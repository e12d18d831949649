"""`evolve`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ndcore.cli.commands import Answer
from ndcore.cli.progress import Progress
from ndcore.cli.shared_options import add_crew, crew_of
from ndcore.errors import BadRequestError

if TYPE_CHECKING:
    from ndcore.evolution import EvolutionRun


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "run", metavar="RUN", nargs="*", help="name of a trained model, or a run's folder"
    )
    parser.add_argument(
        "--findings",
        action="store_true",
        help="the paper's accuracies and claims beside those of the RUNs (default: all recorded)",
    )
    parser.add_argument(
        "--variant", default="paper", help="of discriminability: paper or normalised"
    )
    parser.add_argument("--layer", help="also the metrics of this layer's units")
    parser.add_argument(
        "--vulnerability",
        action="store_true",
        help="first measure how many images one pixel flips at each epoch whose weights were "
        "kept, and how well the divergence detector sees it",
    )
    parser.add_argument(
        "--facets",
        metavar="LAYER",
        help="first keep which classes the facets of this layer's units show at the last epoch",
    )
    parser.add_argument(
        "--data", help="the data the run was trained on, for --vulnerability and --facets"
    )
    parser.add_argument(
        "--images", type=int, default=100, metavar="N", help="images to attack at each epoch"
    )
    parser.add_argument("--seed", type=int, default=0, help="of these images and the searches")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--copy", metavar="FOLDER", help="first copy the recording, without weights, to this folder"
    )
    parser.add_argument(
        "--details",
        metavar="EPOCHS",
        help="of the copy: epochs that keep samples and patches, such as 1,10,30; the last always "
        "does (default: all)",
    )
    parser.add_argument(
        "--patches",
        type=int,
        metavar="N",
        help="of the copy: patches per unit and epoch (default: all; pictures take 20, facets "
        "up to 1000)",
    )
    add_crew(parser)


def run(options: Namespace) -> Answer:
    """How a recorded run evolved, or what the paper's claims come to on recorded runs."""
    from ndcore.evolution import load_run

    if options.findings:
        from ndcore.cli.findings import findings_text
        from ndcore.evolution.findings import findings_of

        document = findings_of(options.run)
        return document, findings_text(document), 0
    if len(options.run) != 1:
        raise BadRequestError(f"evolve takes one RUN, got {len(options.run)}")
    found = load_run(options.run[0])
    if crew_of(options) and not options.vulnerability:
        raise BadRequestError("--workers and --scheduler share out --vulnerability alone")
    if (options.details or options.patches is not None) and not options.copy:
        raise BadRequestError("--details and --patches say what --copy takes along")
    if options.vulnerability or options.facets:
        _measure(found, options)
    if options.copy:
        from ndcore.evolution.recording.light_copy import copy_recording

        epochs = _epochs(options.details) if options.details else None
        copy_recording(found, Path(options.copy), details=epochs, patches=options.patches)
    from ndcore.cli.evolution import evolution_document, evolution_text

    document = evolution_document(found, options.variant, options.layer)
    return document, evolution_text(document), 0


def _epochs(told: str) -> list[int]:
    try:
        return [int(epoch) for epoch in told.split(",")]
    except ValueError as error:
        raise BadRequestError(
            f"--details takes numbers of epochs such as 1,10,30, got '{told}'"
        ) from error


def _measure(found: EvolutionRun, options: Namespace) -> None:
    """What a recording lacks and takes its images."""
    from ndcore.cli.shards.network import run_images, shared_epoch
    from ndcore.evolution import VulnerabilityConfig
    from ndcore.evolution.facet_classes import keep_facet_classes
    from ndcore.evolution.recording.attack_epochs import measure_vulnerability, training_of

    crew = crew_of(options)
    if options.vulnerability:
        training_of(found)  # before its images, which may have to be fetched
    source = run_images(found, options)
    with Progress() as progress:
        if options.facets:
            keep_facet_classes(found, source, options.facets, on_step=progress.step)
        if options.vulnerability:
            config = VulnerabilityConfig(images=options.images, seed=options.seed)
            measure_vulnerability(
                found,
                source,
                config,
                device=options.device,
                on_step=progress.step,
                share=None if crew is None else partial(shared_epoch, crew, options),
            )
