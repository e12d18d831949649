"""`certify`."""

from __future__ import annotations

import shlex
from argparse import ArgumentParser, Namespace
from functools import partial
from typing import TYPE_CHECKING, Any

from ndcore.cli.commands import Answer
from ndcore.cli.shared_options import add_bundle, add_crew, add_images, crew_of

if TYPE_CHECKING:
    from ndcore.cli.certifying import Certifying


def add_arguments(parser: ArgumentParser) -> None:
    add_images(parser)
    add_bundle(parser)
    add_crew(parser)
    parser.add_argument("--seed", type=int, default=0, help="of the order that --n draws from")
    parser.add_argument(
        "--resume",
        metavar="FILE",
        help="keep every certificate here as it is made, and take over those that are there",
    )
    parser.add_argument(
        "--ship",
        action="store_true",
        help="put the result into the bundle, whose pages then tell it: of evaluation images, or "
        "of --split gallery",
    )
    parser.add_argument(
        "--pixels",
        type=int,
        default=1,
        choices=(1, 2),
        help="2 also asks what no change of two pixels can do: by pairs of blocks, far slower",
    )
    parser.add_argument(
        "--block", type=int, default=4, help="side of those blocks; 1 is tightest and slowest"
    )
    parser.add_argument(
        "--attack-holes",
        action="store_true",
        help="try a grid of colours at every hole: can what is not proven be used?",
    )
    parser.add_argument(
        "--audit",
        action="store_true",
        help="check the proof by brute force: of grey images change every pixel to every level and "
        "count the flips that raise no alarm",
    )
    parser.add_argument(
        "--fail-on-alarm",
        action="store_true",
        help="exit 1 if the rule flip raises its alarm on any image: some repair disagrees",
    )
    parser.epilog = (
        "Proven of a certified image: whoever changes one of its pixels, to whatever colour, "
        "leaves the label as it is or raises the alarm of the rule flip. For which model: this "
        "one, with these weights, as it answers 8-bit images of its own size in float32. Against "
        "whom: whoever changes exactly one pixel and knows all of this. Not: that the label is "
        "right, that another detector would notice, anything about more pixels."
    )


def run(options: Namespace) -> Answer:
    """Certify images and their stored attacks; status 1 at an alarm, where that was asked for."""
    from ndcore.bundles.bundle import load_bundle
    from ndcore.bundles.certified import keep_certificates, require_set
    from ndcore.bundles.manifest import two_pixels_of
    from ndcore.certificate.repairs import MARGIN
    from ndcore.cli.certificate import certify_text
    from ndcore.cli.certifying import Certifying
    from ndcore.cli.selection import certified_images
    from ndcore.cli.shards.images import ChosenImages, certified_by, certified_for_two_by

    crew = crew_of(options)
    bundle = load_bundle(options.bundle)
    chosen, keys, split = certified_images(bundle, options)
    if options.ship:
        require_set(bundle, split, keys)
    work = Certifying(bundle, chosen, keys, options.resume)
    if crew is not None:
        named = ChosenImages.of(options, bundle, chosen)
        work.take(partial(certified_by, crew, named))
        if options.pixels == 2:
            work.take_two(options.block, partial(certified_for_two_by, crew, named, options.block))
    rows = [
        {"file": name, "true": bundle.classes[label] if label >= 0 else None}
        | each.to_dict(bundle.classes)
        for name, label, each in zip(chosen.ids, chosen.labels.tolist(), work.found, strict=True)
    ]
    document = {
        "bundle": bundle.name,
        "weight_hash": bundle.weight_hash,
        "rule": "flip",
        "least_lead": MARGIN,
        "seed": options.seed,
        "results": rows,
        "summary": work.shares(),
    }
    _ask_more(work, options, document)
    if options.ship:
        name = split if options.pixels == 1 else two_pixels_of(split)
        keep_certificates(bundle, name, _to_keep(options, split, keys, document))
    alarm = any(row["alarm"] for row in rows)
    return document, certify_text(document), int(alarm and options.fail_on_alarm)


def _ask_more(work: Certifying, options: Namespace, document: dict[str, Any]) -> None:
    """What else was asked for, put into the document."""
    rows, summary, classes = document["results"], document["summary"], work.bundle.classes
    if options.pixels == 2:
        certified, recovered, summary["two_pixels"] = work.two_pixels(options.block)
        for row, one, back in zip(rows, certified, recovered, strict=True):
            row["two_pixels"] = one.to_dict() | {"recovered": back.to_dict(classes)}
    if options.attack_holes:
        tried, summary["hole_attacks"] = work.holes()
        for at, found in tried.items():
            rows[at]["hole_attacks"] = [one.to_dict(classes) for one in found]
    if options.audit:
        summary["audit"] = work.audit()


def _to_keep(
    options: Namespace, split: str, keys: tuple[str, ...], document: dict[str, Any]
) -> dict[str, Any]:
    """What a bundle keeps: how it was made, on which data wherever they lie, and the figures."""
    command = ["python", "-m", "ndcore", "certify", "--bundle", document["bundle"]]
    command += ["--source", options.source] if options.source else []
    command += ["--split", split] if options.split else []
    command += ["--n", str(options.n), "--seed", str(options.seed)] if options.n else []
    command += ["--pixels", "2", "--block", str(options.block)] if options.pixels == 2 else []
    command += ["--attack-holes"] if options.attack_holes else []
    told = ("true", "predicted", "certified", "margin")
    images = [
        {"key": key} | {name: row[name] for name in told} | {"holes": len(row["holes"])}
        for key, row in zip(keys, document["results"], strict=True)
    ]
    kept = {name: document[name] for name in ("rule", "least_lead", "seed", "summary")}
    return {"command": shlex.join([*command, "--ship"])} | kept | {"images": images}
