"""The images a study looks at: benign splits, attacked images and harmless noise.

Attacked images are made from one split alone, kept if they survive as 8-bit images, and carry the
key of the image they were made from, so that figures can be resampled by source image.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ndcore.attacks import AttackConfig, AttackResult, attack_images
from ndcore.bundles.bundle import Bundle
from ndcore.data.batch import ImageBatch
from ndcore.data.sources import ImageSource
from ndcore.data.splits import positions
from ndcore.errors import BadRequestError
from ndcore.networks.evaluator import evaluator_for
from ndcore.steps import in_parts

POOL = 32  # images attacked between two reports


@dataclass(frozen=True)
class Family:
    """A kind of attack.

    Attributes:
        name: of the set.
        about: one line for people.
        config: how it is made; its budget is part of the study.
        images: how many correctly classified images are attacked, at most.
        expected: share of them that it flips, for the estimate of a study's time alone.
    """

    name: str
    about: str
    config: AttackConfig
    images: int
    expected: float


FAMILIES = (
    Family("one-pixel", "one pixel, best-first search", AttackConfig("fast"), 1700, 0.25),
    Family(
        "one-pixel-de",
        "one pixel, differential evolution, 2,000 queries",
        AttackConfig("de", max_queries=2000),
        500,
        0.15,
    ),
    Family("three-pixels", "three pixels, best-first", AttackConfig("fast", pixels=3), 100, 0.6),
    Family("five-pixels", "five pixels, best-first", AttackConfig("fast", pixels=5), 80, 0.8),
    Family("fgsm", "fast gradient sign, 8/255", AttackConfig("fgsm"), 120, 0.35),
    Family("pgd", "projected gradient descent, 8/255", AttackConfig("pgd"), 80, 0.75),
    Family("deepfool", "DeepFool L2", AttackConfig("deepfool"), 80, 1.0),
    Family("cw", "Carlini & Wagner L2", AttackConfig("cw"), 40, 1.0),
    Family(
        "inconspicuous",
        "one pixel within the range of its neighbours, best-first, 400 queries",
        AttackConfig("inconspicuous", max_queries=400),
        1700,
        0.06,
    ),
)


@dataclass(frozen=True)
class ImageSet(ImageBatch):
    """Images of one kind; `ids` are the keys of the source image of each (`ImageSource.keys`).

    Attributes:
        name: of the set.
        where: int64 (n, 2), row and col of the changed pixel; -1 where it is not one.
        queries: int64 (n,), of the search; 0 where there was none.
        attacked: how many images were attacked to get these; 0 for benign ones.
    """

    name: str
    where: NDArray[np.int64]
    queries: NDArray[np.int64]
    attacked: int = 0


Attack = Callable[[ImageSet, Sequence[int], AttackConfig], Iterable[AttackResult]]


def benign_set(
    bundle: Bundle, source: ImageSource, split: str, n: int | None = None, seed: int = 0
) -> ImageSet:
    """The lossless images of a split, or all where none is, in a seeded order; the first n of them.

    Raises:
        BadRequestError: the data has none.
    """
    found = positions(source, bundle.splits[split])
    members = [i for i in found if source.lossless[i]] or found
    if not members:
        raise BadRequestError(f"the data has no image of the split '{split}'")
    # In a seeded order, so that a smaller study's images are the first of a larger one's.
    members = np.random.default_rng(seed).permutation(members)[:n].tolist()
    keys = source.keys()
    return _plain_set(
        split, source.pixels(members), [keys[i] for i in members], source.labels[members]
    )


def gallery_set(bundle: Bundle, benign: ImageSet) -> ImageSet:
    """The one-pixel successes that the bundle ships, on images of `benign`, made again."""
    keys = {key: index for index, key in enumerate(benign.ids)}
    rows, images = [], []
    for row in bundle.gallery:
        if len(row.pixels) == 1 and row.key in keys:
            at, change = keys[row.key], row.pixels[0]
            rows.append((at, change.row, change.col, row.queries))
            images.append(row.pair(benign.pixels[at]).images[-1])
    found = np.array(rows, np.int64).reshape(-1, 4)
    return ImageSet(
        name="one-pixel",
        pixels=np.stack(images) if images else benign.pixels[:0],
        ids=tuple(benign.ids[i] for i in found[:, 0]),
        labels=benign.labels[found[:, 0]],
        where=found[:, 1:3],
        queries=found[:, 3],
        attacked=bundle.manifest["gallery"]["evaluation"]["attacked"],
    )


def attacked_set(
    bundle: Bundle,
    benign: ImageSet,
    family: Family,
    *,
    n: int | None = None,
    seed: int = 0,
    attack: Attack | None = None,
    on_image: Callable[[int, int], None] | None = None,
) -> ImageSet:
    """Attack images of `benign` that the model gets right; the successes.

    Args:
        bundle: whose model is attacked.
        benign: images to start from.
        family: how.
        n: attack no more than this many images.
        seed: of the draw of images and of the search.
        attack: gives the results of the images of `benign` at some positions, in this order;
            default: they are attacked here.
        on_image: called with (images done, images in all).
    """
    evaluator = evaluator_for(bundle.model, bundle.shape)
    rng = np.random.default_rng(seed)
    wanted = min(family.images, n or family.images)
    chosen: list[int] = []
    for index in rng.permutation(len(benign)).tolist():
        if len(chosen) == wanted:
            break
        if evaluator.plain(benign.pixels[index][None])[0].argmax() == benign.labels[index]:
            chosen.append(index)
    results: list[AttackResult] = []
    config = replace(family.config, seed=seed)
    for result in (attack or partial(_attack_here, bundle))(benign, chosen, config):
        results.append(result)
        if on_image:
            on_image(len(results), len(chosen))
    won = [result for result in results if result.success]
    one = [result.pixels[0] if len(result.pixels) == 1 else None for result in won]
    found = _plain_set(
        family.name,
        np.stack([result.attacked for result in won]) if won else benign.pixels[:0],
        [result.id for result in won],
        np.array([result.true for result in won], np.int64),
    )
    return replace(
        found,
        where=np.array([(p.row, p.col) if p else (-1, -1) for p in one], np.int64).reshape(-1, 2),
        queries=np.array([result.queries for result in won], np.int64),
        attacked=len(chosen),
    )


def _attack_here(
    bundle: Bundle, benign: ImageSet, positions: Sequence[int], config: AttackConfig
) -> Iterator[AttackResult]:
    for part in in_parts(len(positions), POOL):
        some = benign.take(positions[part])
        yield from attack_images(bundle.model, some.pixels, some.labels, some.ids, config)


def _salt(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    changed = image.copy()
    rows, cols = (rng.integers(0, size, 5) for size in image.shape[:2])
    changed[rows, cols] = rng.integers(0, 2, 5)[:, None] * 255
    return changed


def _random_pixel(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    changed = image.copy()
    row, col = (int(rng.integers(0, size)) for size in image.shape[:2])
    changed[row, col] = rng.integers(0, 2, image.shape[2]) * 255
    return changed


def _gaussian(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """As long, in L2, as one pixel changed by 200 in every channel."""
    noise = rng.normal(size=image.shape)
    noise *= 200 * np.sqrt(image.shape[2]) / np.linalg.norm(noise)
    return np.asarray(np.rint(image + noise).clip(0, 255), np.uint8)


def _jpeg(image: NDArray[np.uint8], _: np.random.Generator) -> NDArray[np.uint8]:
    out = io.BytesIO()
    flat = image[..., 0] if image.shape[2] == 1 else image
    Image.fromarray(flat).save(out, "JPEG", quality=90)
    return np.asarray(Image.open(out), np.uint8).reshape(image.shape)


# Changes that no alarm should follow, as long as the label stays.
CONTROLS: dict[str, Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]] = {
    "random-pixel": _random_pixel,
    "salt": _salt,
    "gaussian": _gaussian,
    "jpeg": _jpeg,
}


def control_set(
    bundle: Bundle, benign: ImageSet, name: str, *, n: int | None = None, seed: int = 0
) -> ImageSet:
    """Benign images, correctly classified before, with a change that does not flip them."""
    evaluator = evaluator_for(bundle.model, bundle.shape)
    rng = np.random.default_rng([seed, *name.encode()])
    chosen: list[int] = []
    images: list[NDArray[np.uint8]] = []
    for index in rng.permutation(len(benign)).tolist():
        if n is not None and len(chosen) == n:
            break
        changed = CONTROLS[name](benign.pixels[index], rng)
        both = evaluator.plain(np.stack([benign.pixels[index], changed])).argmax(1)
        if (both == benign.labels[index]).all():
            chosen.append(index)
            images.append(changed)
    return _plain_set(
        name,
        np.stack(images) if images else benign.pixels[:0],
        [benign.ids[i] for i in chosen],
        benign.labels[chosen],
    )


def _plain_set(
    name: str, pixels: NDArray[np.uint8], keys: Sequence[str], labels: NDArray[np.int64]
) -> ImageSet:
    return ImageSet(
        name=name,
        pixels=pixels,
        ids=tuple(keys),
        labels=labels,
        where=np.full((len(keys), 2), -1, np.int64),
        queries=np.zeros(len(keys), np.int64),
    )
