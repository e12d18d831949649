"""`study detectors` and `study hypothesis`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path

from ndcore.cli.commands import Answer
from ndcore.cli.progress import Progress
from ndcore.cli.shared_options import add_bundle, add_crew, crew_of
from ndcore.errors import BadRequestError

# The options of each, as they are typed. Unset they are None, so that what is given is known.
OPTIONS = {
    "detectors": (
        "--data",
        "--attacks",
        "--n",
        "--no-repair",
        "--seed",
        "--ship",
        "--workers",
        "--scheduler",
    ),
    "hypothesis": ("--measure", "--layers", "--attack", "--over", "--freeze"),
}


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", choices=("detectors", "hypothesis"))
    add_bundle(parser)
    parser.add_argument("--out", metavar="DIR", help="folder of the study's files")

    detectors = parser.add_argument_group("detectors")
    detectors.add_argument("--data", help="the data the bundle was built from")
    detectors.add_argument(
        "--attacks", nargs="+", metavar="ATTACK", help="kinds of attack (default: all)"
    )
    detectors.add_argument("--n", type=int, help="benign images and attacked images, each (all)")
    detectors.add_argument(
        "--no-repair",
        action="store_true",
        default=None,
        help="leave out the pixel-by-pixel repair, the slow part",
    )
    detectors.add_argument("--seed", type=int, help="(default: 0)")
    detectors.add_argument(
        "--ship",
        action="store_true",
        default=None,
        help="put the finished study into the bundle",
    )
    add_crew(detectors)

    hypothesis = parser.add_argument_group("hypothesis")
    hypothesis.add_argument("--measure", action="append", help="such as w1-top; may be given again")
    hypothesis.add_argument("--layers", help="names with commas between (default: all)")
    hypothesis.add_argument("--attack", help="kind of attack (default: one-pixel)")
    hypothesis.add_argument("--over", help="mean (default) or largest of measures and layers")
    hypothesis.add_argument(
        "--freeze",
        action="store_true",
        default=None,
        help="test it, once, on the evaluation images",
    )


def run(options: Namespace) -> Answer:
    """Run the study of detectors, or test one hypothesis.

    Raises:
        BadRequestError: an option of the other was given.
    """
    other = next(name for name in OPTIONS if name != options.name)
    for option in OPTIONS[other]:
        if getattr(options, option[2:].replace("-", "_")) is not None:
            raise BadRequestError(
                f"{option} is an option of `study {other}`, not of `study {options.name}`"
            )
    if options.name == "detectors":
        return _study_detectors(options)
    from ndcore.cli.hypothesis import study_hypothesis

    return study_hypothesis(options)


def _study_detectors(options: Namespace) -> Answer:
    from ndcore.bundles.bundle import load_bundle
    from ndcore.bundles.images import open_for
    from ndcore.cli.selection import default_data
    from ndcore.cli.shards.study import shared_study
    from ndcore.cli.text import study_text
    from ndcore.study import study_dir
    from ndcore.study.config import StudyConfig
    from ndcore.study.run import run_study
    from ndcore.study.ship import ship_study

    config = StudyConfig(
        attacks=tuple(options.attacks) if options.attacks else None,
        n=options.n,
        repairs=not options.no_repair,
        seed=options.seed or 0,
    )
    crew = crew_of(options)
    bundle = load_bundle(options.bundle)
    source = open_for(bundle, options.data or default_data(bundle))
    folder = Path(options.out) if options.out else None
    with Progress() as progress:
        found = run_study(
            bundle,
            source,
            config,
            folder,
            on_step=progress.step,
            on_estimate=lambda told: progress.note(f"the whole study takes {told.text}"),
            share=None if crew is None else partial(shared_study, crew, bundle.name, options.data),
        )
    if options.ship:
        ship_study(bundle, folder or study_dir(bundle.name))
    return found.document, study_text(found.document), 0
