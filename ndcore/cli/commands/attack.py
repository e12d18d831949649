"""`attack`."""

from __future__ import annotations

import shutil
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ndcore.cli.attack_gate import share, within
from ndcore.cli.commands import Answer
from ndcore.cli.progress import Progress
from ndcore.cli.shared_options import add_bundle, add_crew, add_images, crew_of
from ndcore.errors import BadRequestError
from ndcore.legible.plurals import counted
from ndcore.storage.atomic import write_bytes, write_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ndcore.attacks import AttackConfig, AttackResult
    from ndcore.bundles.bundle import Bundle
    from ndcore.data.batch import ImageBatch

Shared = Callable[[list[int]], "Iterator[tuple[int, AttackResult]]"]  # positions that are left

UNFINISHED = ".unfinished"  # in the folder that --out names, until all images are through


class _Engines(str):
    """Lists the engines when help is shown, not whenever a command line is read."""

    def __mod__(self, values: object) -> str:
        from ndcore.attacks import ENGINES

        return "; ".join(f"{engine.name}: {engine.about}" for engine in ENGINES.values())


def add_arguments(parser: ArgumentParser) -> None:
    add_images(parser)
    add_bundle(parser)
    add_crew(parser)
    parser.add_argument("--engine", default="fast", help=_Engines("each with what it does"))
    parser.add_argument("--pixels", type=int, default=1)
    parser.add_argument("--target", metavar="CLASS")
    parser.add_argument("--max-queries", type=int, help="per image (default: the engine's own)")
    parser.add_argument(
        "--then", default="", metavar="ENGINE", help="goes on where --engine finds nothing"
    )
    parser.add_argument("--epsilon", type=int, default=8, help="8-bit steps, of a bounded engine")
    parser.add_argument(
        "--every",
        type=int,
        default=1,
        metavar="N",
        help="exhaustive: every Nth row and column of pixels alone",
    )
    parser.add_argument(
        "--levels",
        type=int,
        default=2,
        metavar="L",
        help="exhaustive: L values of each colour channel, not its two ends alone",
    )
    parser.add_argument(
        "--precision", default="auto", help="auto, or float32: no bfloat16 screening"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="write PNG pairs and results.json here; an interrupted run goes on",
    )
    parser.add_argument(
        "--card",
        metavar="FILE",
        help="also attack with 1, 3 and 5 pixels and certify the images: the network's L0 card",
    )
    parser.add_argument(
        "--fail-above",
        type=share,
        metavar="SHARE",
        help="exit 1 if more of the correctly classified images break, such as 25%%",
    )


def run(options: Namespace) -> Answer:
    """Attack images, and write the pairs of those that broke where that was asked for.

    Status 1 where more of them broke than `--fail-above` allows.
    """
    from ndcore.attacks import AttackConfig, summarise
    from ndcore.bundles.bundle import load_bundle
    from ndcore.certificate.l0_card import require_search
    from ndcore.cli.l0_card import write_card
    from ndcore.cli.selection import attacked_images
    from ndcore.cli.shards.images import ChosenImages, attacked_by
    from ndcore.cli.text import attack_text

    crew = crew_of(options)
    bundle = load_bundle(options.bundle)
    target = None if options.target is None else bundle.class_index(options.target)
    config = AttackConfig(
        engine=options.engine,
        pixels=options.pixels,
        target=target,
        max_queries=options.max_queries,
        seed=options.seed,
        then=options.then,
        precision=options.precision,
        epsilon=options.epsilon,
        every=options.every,
        levels=options.levels,
    )
    if options.card:
        require_search(config)
    chosen = attacked_images(bundle, options)
    shared = None
    if crew is not None:
        named = ChosenImages.of(options, bundle, chosen)
        shared = partial(attacked_by, crew, named, config)
    with _writing(options.out):
        results = _attacked(bundle, chosen, config, options.out, shared)
    document = {
        "bundle": bundle.name,
        "weight_hash": bundle.weight_hash,
        "engine": config.engine,
        "pixels": config.pixels,
        "target": options.target,
        "seed": config.seed,
        "then": config.then,
        "epsilon": None if config.searches else config.epsilon,
        "budget": config.budget(bundle.shape),
        "results": [result.to_dict(bundle.classes) for result in results],
        "summary": summarise(results),
    }
    if options.out:
        with _writing(options.out):
            _write_attacks(Path(options.out), results, document)
    text, status = attack_text(document), 0
    if options.card:
        text += f"\n{write_card(Path(options.card), bundle, chosen, config, results)}"
    if options.fail_above is not None:
        told, held = within(document["summary"], options.fail_above)
        text, status = f"{text}\n{told}", int(not held)
    return document, text, status


@contextmanager
def _writing(folder: str | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadRequestError(f"cannot write to {folder}: {error.strerror}") from error


def _attacked(
    bundle: Bundle,
    chosen: ImageBatch,
    config: AttackConfig,
    out: str | None,
    shared: Shared | None,
) -> list[AttackResult]:
    """Attack the images, but take over what an interrupted run of the same attack has found."""
    from ndcore.attacks.kept import KeptAttacks
    from ndcore.data.pixels import image_key

    kept = None
    found: dict[int, AttackResult] = {}
    if out is not None:
        keys = tuple(image_key(bundle.weight_hash, image) for image in chosen.pixels)
        # Another number of threads may give other last digits.
        asked = (bundle.weight_hash, config, chosen.ids, keys, chosen.labels, shared is not None)
        kept = KeptAttacks(Path(out) / UNFINISHED, asked)
        found |= kept.found
    left = [at for at in range(len(chosen)) if at not in found]

    def take(at: int, result: AttackResult) -> None:
        found[at] = result
        if kept is not None:
            kept.add(at, result)

    with Progress() as progress:
        if found:
            progress.step(f"{len(found)} finished images are taken over from {out}")
        if left and any(engine.keeps_map for engine in config.engines):
            progress.step(_estimate(bundle, config, chosen.pixels[left]))
        if shared is None:
            _attack_here(bundle, chosen.take(left), config, progress, lambda i, r: take(left[i], r))
        else:
            for at, result in shared(left):
                take(at, result)
                progress.step("images attacked", len(found), len(chosen))
    return [found[at] for at in sorted(found)]


def _attack_here(
    bundle: Bundle,
    images: ImageBatch,
    config: AttackConfig,
    progress: Progress,
    take: Callable[[int, AttackResult], None],
) -> None:
    """All images side by side, with all threads."""
    from ndcore.attacks import attack_images

    attack_images(
        bundle.model,
        images.pixels,
        images.labels,
        images.ids,
        config,
        on_progress=lambda p: progress.step(
            f"{p.succeeded} broken, {p.total_queries:,} queries; {p.id}", p.done, p.images
        ),
        on_result=take,
    )


def _estimate(bundle: Bundle, config: AttackConfig, pixels: NDArray[np.uint8]) -> str:
    """What a whole grid will take at most, before it begins."""
    from ndcore.attacks.estimate import expected_seconds
    from ndcore.networks.evaluator import evaluator_for

    evaluator = evaluator_for(bundle.model, bundle.shape, config.precision)
    seconds = len(pixels) * expected_seconds(evaluator, config, pixels[0])
    points = config.grid.count(bundle.shape)
    return f"{counted(len(pixels), 'image')}, a grid of {points:,} points: about {seconds:,.0f} s"


def _write_attacks(folder: Path, results: list[AttackResult], document: dict[str, Any]) -> None:
    """PNG pairs of the successes and `results.json`; no times, so equal runs give equal bytes."""
    from ndcore.data.decode import encode_png

    rows: list[dict[str, Any]] = []
    names: set[str] = set()
    for result, row in zip(results, document["results"], strict=True):
        row = {key: value for key, value in row.items() if key != "seconds"}
        if result.success:
            name = _file_name(result.id, names)
            for kind, image in (("benign", result.benign), ("attacked", result.attacked)):
                row[f"{kind}_file"] = f"{name}-{kind}.png"
                write_bytes(folder / row[f"{kind}_file"], encode_png(image))
        rows.append(row)
    summary = {k: v for k, v in document["summary"].items() if k != "seconds"}
    write_json(folder / "results.json", document | {"results": rows, "summary": summary})
    shutil.rmtree(folder / UNFINISHED, ignore_errors=True)


def _file_name(image_id: str, taken: set[str]) -> str:
    """Letters and digits of an id, with a number where another id came to the same; adds it."""
    plain = "".join(c if c.isalnum() or c in "-_" else "-" for c in image_id)
    name, number = plain, 1
    while name.lower() in taken:  # some disks do not tell A from a
        number += 1
        name = f"{plain}-{number}"
    taken.add(name.lower())
    return name
