"""`certify`."""

from __future__ import annotations

import shlex
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ndcore.cli.commands import Answer
from ndcore.cli.progress import Progress
from ndcore.cli.shared_options import add_bundle, add_images

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from ndcore.bundles.bundle import Bundle
    from ndcore.certificate import Certificate
    from ndcore.certificate.audit import Audit
    from ndcore.data.batch import ImageBatch


def add_arguments(parser: ArgumentParser) -> None:
    add_images(parser)
    add_bundle(parser)
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
        help="grey images: change every pixel to every level and count unnoticed flips",
    )


def run(options: Namespace) -> Answer:
    """Certify images, and their stored attacks along with them."""
    from ndcore.bundles.bundle import load_bundle
    from ndcore.bundles.certified import keep_certificates, require_set
    from ndcore.certificate import certified_shares
    from ndcore.certificate.repairs import MARGIN
    from ndcore.cli.certificate import certify_text

    bundle = load_bundle(options.bundle)
    chosen, keys, split = _choose(bundle, options)
    if options.ship:
        require_set(bundle, split, keys)
    found, attacked = _certified(bundle, chosen, keys, options.resume)
    document = {
        "bundle": bundle.name,
        "weight_hash": bundle.weight_hash,
        "rule": "flip",
        "least_lead": MARGIN,
        "seed": options.seed,
        "results": [
            {"file": name, "true": bundle.classes[label] if label >= 0 else None}
            | each.to_dict(bundle.classes)
            for name, label, each in zip(chosen.ids, chosen.labels.tolist(), found, strict=True)
        ],
        "summary": certified_shares(found, chosen.labels, attacked),
    }
    if options.pixels == 2:
        _certify_two(bundle, chosen, options.block, document)
    if options.attack_holes:
        _attack_holes(bundle, chosen, found, document)
    if options.audit:
        _audit(bundle, chosen, found, document)
    if options.ship:
        keep_certificates(bundle, split, _to_keep(options, split, keys, document))
    return document, certify_text(document), 0


def _choose(bundle: Bundle, options: Namespace) -> tuple[ImageBatch, tuple[str, ...], str]:
    """The images, under which key the gallery would know each, and the split they are of."""
    import numpy as np

    from ndcore.cli.selection import choose_images, choose_source
    from ndcore.data.batch import ImageBatch

    if options.images:
        chosen = choose_images(bundle, options, default=None)
        return chosen, chosen.ids, ""
    source, split, members = choose_source(bundle, options, default=None)
    if options.n is not None:
        # In a seeded order, so that the images of a small n are the first of a larger one.
        members = np.random.default_rng(options.seed).permutation(members)[: options.n].tolist()
    known = source.keys()
    return ImageBatch.of(source, members), tuple(known[i] for i in members), split


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


def _certified(
    bundle: Bundle, chosen: ImageBatch, keys: tuple[str, ...], resume: str | None
) -> tuple[list[Certificate], dict[int, bool]]:
    """The certificate of every image; by position whether an attack of the gallery is noticed."""
    from ndcore.certificate.one_pixel import alarm_on, certificate_of
    from ndcore.certificate.repairs import expected_seconds
    from ndcore.networks.evaluator import evaluator_for

    evaluator = evaluator_for(bundle.model, bundle.shape, "float32")
    one: Callable[[NDArray[np.uint8]], Certificate] = _keeping(
        lambda image: certificate_of(evaluator, image), resume, bundle.weight_hash
    )
    attacks = {row.key: row for row in bundle.gallery if len(row.pixels) == 1}
    found, attacked = [], {}
    height, width = bundle.shape[:2]
    with Progress() as progress:
        seconds = len(chosen) * expected_seconds(evaluator, chosen.pixels[0])
        images = "1 image" if len(chosen) == 1 else f"{len(chosen):,} images"
        progress.step(
            f"{images} of {height} x {width} pixels, a float32 query for each: about "
            f"{seconds:,.0f} s"
        )
        for at, (key, image) in enumerate(zip(keys, chosen.pixels, strict=True)):
            progress.step("certifying", at, len(chosen))
            found.append(one(image))
            row = attacks.get(key)
            where = (row.pixels[0].row, row.pixels[0].col) if row else (0, 0)
            if row and tuple(image[where]) == row.pixels[0].before:
                attacked[at] = alarm_on(evaluator, row.pair(image).images[-1], where)
    return found, attacked


def _certify_two(bundle: Bundle, chosen: ImageBatch, block: int, document: dict[str, Any]) -> None:
    """Ask all pairs of blocks of every image, up to the first that disagrees."""
    from ndcore.certificate.two_pixels import certify_two, pairs_of
    from ndcore.networks.evaluator import evaluator_for
    from ndcore.statistics.intervals import Rate

    evaluator = evaluator_for(bundle.model, bundle.shape, "float32")
    rows = document["results"]
    right = certified = 0
    with Progress() as progress:
        progress.step(
            f"at most {len(chosen) * pairs_of(bundle.shape, block):,} whole images for two pixels"
        )
        for at, (row, image) in enumerate(zip(rows, chosen.pixels, strict=True)):
            progress.step("certifying for two pixels", at, len(rows))
            found = certify_two(evaluator, image, block)
            row["two_pixels"] = found.to_dict()
            right += row["predicted"] is not None and row["predicted"] == row["true"]
            certified += found.certified and row["predicted"] == row["true"]
    document["summary"]["two_pixels"] = {
        "block": block,
        "certified": sum(row["two_pixels"]["certified"] for row in rows),
        "correct": Rate(certified, right).to_dict(),
        "pairs_asked": sum(row["two_pixels"]["asked"] for row in rows),
    }


def _attack_holes(
    bundle: Bundle, chosen: ImageBatch, found: list[Certificate], document: dict[str, Any]
) -> None:
    """Attack the holes of the images that the model gets right, or may get right."""
    from ndcore.certificate.hole_attack import attack_holes
    from ndcore.data.batch import UNKNOWN
    from ndcore.networks.evaluator import evaluator_for

    evaluator = evaluator_for(bundle.model, bundle.shape, "float32")
    open_ = [
        at
        for at, (label, each) in enumerate(zip(chosen.labels.tolist(), found, strict=True))
        if each.holes and label in (UNKNOWN, each.predicted)
    ]
    tried = []
    with Progress() as progress:
        for done, at in enumerate(open_):
            progress.step("attacking holes", done, len(open_))
            tried.append(attack_holes(evaluator, chosen.pixels[at], found[at]))
            rows = [one.to_dict(bundle.classes) for one in tried[-1]]
            document["results"][at]["hole_attacks"] = rows
    holes = [one for each in tried for one in each]
    document["summary"]["hole_attacks"] = {
        "images": len(open_),
        "holes": len(holes),
        "reached": sum(one.reached > 0 for one in holes),
        "unnoticed": sum(one.colour is not None for one in holes),
        "images_unnoticed": sum(any(one.colour is not None for one in each) for each in tried),
    }


def _audit(
    bundle: Bundle, chosen: ImageBatch, found: list[Certificate], document: dict[str, Any]
) -> None:
    """Change every pixel of every certified image to every level."""
    from ndcore.certificate.audit import audit
    from ndcore.networks.evaluator import evaluator_for

    evaluator = evaluator_for(bundle.model, bundle.shape, "float32")
    proven = [image for image, each in zip(chosen.pixels, found, strict=True) if each.certified]
    audits: list[Audit] = []
    with Progress() as progress:
        for image in proven:
            progress.step("trying every level of every pixel", len(audits), len(proven))
            audits.append(audit(evaluator, image))
    document["summary"]["audit"] = {
        "images": len(audits),
        "changes": sum(each.changes for each in audits),
        "flips": sum(each.flips for each in audits),
        "unnoticed": sum(each.unnoticed for each in audits),
    }


def _keeping(
    make: Callable[[NDArray[np.uint8]], Certificate], resume: str | None, weight_hash: str
) -> Callable[[NDArray[np.uint8]], Certificate]:
    """`make`, but what the file `resume` holds is not made again, and what is made goes there."""
    if resume is None:
        return make
    from ndcore.certificate.kept import KeptCertificates

    kept = KeptCertificates(Path(resume), weight_hash)

    def one(image: NDArray[np.uint8]) -> Certificate:
        found = kept.get(image)
        if found is None:
            found = make(image)
            kept.add(image, found)
        return found

    return one
