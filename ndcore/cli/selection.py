"""Which images a command works on: files, ids, or a draw from a source."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from ndcore.bundles.bundle import Bundle
from ndcore.bundles.images import finder, labelled, open_for, open_own, own_folder
from ndcore.data.batch import UNKNOWN, ImageBatch
from ndcore.data.catalog import Find, find_image, open_source
from ndcore.data.class_list import read_classes
from ndcore.data.decode import FILE_FORMATS, decode
from ndcore.data.folder.intake import Intake
from ndcore.data.sources import ImageSource
from ndcore.data.splits import SPLITS, positions
from ndcore.errors import BadImageError, BadRequestError
from ndcore.networks.brought.opening import Wishes
from ndcore.networks.registry import ModelSpec


def choose_members(bundle: Bundle, source: ImageSource, split: str | None) -> tuple[str, list[int]]:
    """Positions of a split of the bundle in a source; of `gallery` those that an attack breaks.

    Without a split: `evaluation` where the source holds those images, else all images.

    Raises:
        BadRequestError: unknown split, or the source has none of its images.
    """
    if split == "all":
        return split, list(range(len(source)))
    if split in ("val", "test"):
        members = [i for i, part in enumerate(source.parts) if part == split]
    elif split == "gallery":
        members = positions(source, [row.key for row in bundle.gallery])
    elif split is None or split in SPLITS:
        members = positions(source, bundle.splits[split or "evaluation"])
    else:
        known = ", ".join([*SPLITS, "gallery", "val", "test"])
        raise BadRequestError(f"unknown split '{split}': choose {known} or all")
    if members:
        return split or "evaluation", members
    if split is None:
        return "all", list(range(len(source)))
    raise BadRequestError(f"the data has no image of the split '{split}'")


def choose_images(bundle: Bundle, options: Namespace, default: str | None) -> ImageBatch:
    """What `IMAGE...`, `--source`, `--data`, `--split`, `--lossless` and `--n` name.

    Raises:
        BadRequestError: nothing was named, or too much.
        BadImageError, DataError: an image cannot be had.
    """
    if options.images:
        if options.source:
            raise BadRequestError("give images or --source, not both")
        find = cache(partial(_find, bundle, options))
        rows = [_one(name, bundle, find) for name in options.images]
        labels = np.array([label for _, label in rows], np.int64)
        return ImageBatch(tuple(options.images), labels, np.stack([pixels for pixels, _ in rows]))
    source, _, members = choose_source(bundle, options, default)
    if options.n is not None and options.n < len(members):
        rng = np.random.default_rng(getattr(options, "seed", 0))
        members = sorted(rng.choice(members, options.n, replace=False).tolist())
    return ImageBatch.of(source, members)


def attacked_images(bundle: Bundle, options: Namespace) -> ImageBatch:
    """The images that `attack` chooses; where the true class is unknown, the predicted one stands
    in for it.
    """
    chosen = choose_images(bundle, options, default="samples")
    labels = [
        label if label >= 0 else int(bundle.read(image[None]).predicted[0])
        for label, image in zip(chosen.labels, chosen.pixels, strict=True)
    ]
    return replace(chosen, labels=np.array(labels, np.int64))


def certified_images(bundle: Bundle, options: Namespace) -> tuple[ImageBatch, tuple[str, ...], str]:
    """The images that `certify` chooses, under which key the gallery would know each, and the
    split they are of.
    """
    if options.images:
        chosen = choose_images(bundle, options, default=None)
        return chosen, chosen.ids, ""
    source, split, members = choose_source(bundle, options, default=None)
    if options.n is not None:
        # In a seeded order, so that the images of a small n are the first of a larger one.
        members = np.random.default_rng(options.seed).permutation(members)[: options.n].tolist()
    known = source.keys()
    return ImageBatch.of(source, members), tuple(known[i] for i in members), split


def choose_source(
    bundle: Bundle, options: Namespace, default: str | None
) -> tuple[ImageSource, str, list[int]]:
    """The source that `--source` and `--data` name, the split, and the positions to draw from.

    Raises:
        BadRequestError: nothing was named, or what does not fit.
        DataError: the data cannot be had.
    """
    own = own_folder(bundle)
    unnamed = default is not None or options.n is not None
    name = options.source or ("folder" if options.data or (unnamed and own) else default)
    if name is None:
        raise BadRequestError("name at least one image, or a --source")
    if options.n is not None and options.n < 1:
        raise BadRequestError(f"n must be at least 1, got {options.n}")
    if name == "folder" and (options.data or own):
        source = open_for(bundle, options.data or str(own), parts_of(options))
    else:
        source = labelled(bundle, open_source(name, options.data, bundle.shape))
    split, members = choose_members(bundle, source, options.split)
    if options.lossless:
        members = [i for i in members if source.lossless[i]]
        if not members:
            raise BadRequestError("none of these images is in a lossless file")
    if source.shape != bundle.shape:
        raise BadRequestError(f"the images are {source.shape}, the model takes {bundle.shape}")
    return source, split, members


def _one(name: str, bundle: Bundle, find: Callable[[], Find]) -> tuple[NDArray[np.uint8], int]:
    shape = bundle.shape
    if os.path.isfile(name):
        try:
            with open(name, "rb") as file:
                data = file.read()
        except OSError as error:
            raise BadImageError(f"{name} cannot be read: {error.strerror}") from error
        return decode(data, shape, name, FILE_FORMATS, bundle.intake.crop).pixels, UNKNOWN
    pixels, label = find()(name)
    if pixels.shape != shape:
        raise BadRequestError(f"image '{name}' is {pixels.shape}, the model takes {shape}")
    return pixels, label


def _find(bundle: Bundle, options: Namespace) -> Find:
    """What looks up ids that were typed, in `--data` or in the bundle's own folder."""
    if options.data is not None:
        return finder(open_for(bundle, options.data, parts_of(options)))
    own = open_own(bundle)
    if own is not None:
        return finder(own)

    def find(image_id: str) -> tuple[NDArray[np.uint8], int]:
        if ":" not in image_id:
            raise BadImageError(f"{image_id} is no file and no image id")
        return find_image(image_id)

    return find


def default_data(bundle: Bundle) -> str:
    """The data that a bundle was built from."""
    if own := own_folder(bundle):
        return str(own)
    source = bundle.manifest.get("data", {}).get("source")
    return source if source in ("digits", "samples") else "cifar10"


def data_of(data: str | None, spec: ModelSpec) -> str:
    """What a command takes its images from: what was named, else the model's own.

    Raises:
        BadRequestError: neither is known.
    """
    if data:
        return data
    if spec.data:
        return spec.data
    raise BadRequestError("give the images with --data: an ImageFolder or a CIFAR-10 root")


def wishes_of(options: Namespace) -> Wishes:
    """What the options of `shared_options.add_own_model` ask for.

    Raises:
        DataError: the list of classes cannot be read.
    """
    classes = read_classes(options.classes) if options.classes else ()
    intake = Intake(options.crop, parts_of(options))
    return Wishes(options.size, options.output, classes, options.skip_broken, intake)


def parts_of(options: Namespace) -> bool | None:
    """What `--parts` says."""
    return None if options.parts is None else bool(options.parts == "yes")
