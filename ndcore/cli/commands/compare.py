"""`compare`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ndcore.cli.commands import Answer
from ndcore.cli.progress import Progress
from ndcore.cli.shared_options import add_bundle, add_images


def add_arguments(parser: ArgumentParser) -> None:
    add_images(parser)
    add_bundle(parser)
    parser.add_argument(
        "--with", dest="other", required=True, metavar="BUNDLE", help="the second network"
    )
    parser.add_argument("--engine", default="fast", help="of the attack on both; see attack --help")
    parser.add_argument("--pixels", type=int, default=1)
    parser.add_argument("--max-queries", type=int, help="per image (default: the engine's own)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--alpha", type=float, default=0.05, help="share of false alarms")
    parser.add_argument(
        "--detector",
        help="that judges for both, or none (default: the first that both are calibrated for)",
    )


def run(options: Namespace) -> Answer:
    """Attack the same images in two networks and pair what came of them."""
    from ndcore.analysis.two_networks import (
        common_detector,
        compare_networks,
        require_comparable,
    )
    from ndcore.attacks import AttackConfig
    from ndcore.bundles.bundle import load_bundle
    from ndcore.cli.comparison import comparison_text
    from ndcore.cli.selection import choose_images
    from ndcore.statistics.conformal import check_alpha
    from ndcore.study.calibrated import Detectors

    check_alpha(options.alpha)
    config = AttackConfig(
        engine=options.engine,
        pixels=options.pixels,
        max_queries=options.max_queries,
        seed=options.seed,
    )
    bundles = [load_bundle(name) for name in (options.bundle, options.other)]
    require_comparable(*bundles)
    here = [Detectors(bundle) for bundle in bundles]
    detector = common_detector(*here) if options.detector is None else options.detector
    detector = "" if detector == "none" else detector
    chosen = choose_images(bundles[0], options, default="samples")
    with Progress() as progress:
        document = compare_networks(
            here,
            chosen,
            config,
            detector=detector,
            alpha=options.alpha,
            on_step=progress.step,
        )
    return document, comparison_text(document), 0
