"""Which images a command works on: files, ids, or a draw from a source."""

from __future__ import annotations

import os
from argparse import Namespace

import numpy as np
from numpy.typing import NDArray

from ndcore.bundles.bundle import Bundle
from ndcore.data.batch import UNKNOWN, ImageBatch
from ndcore.data.catalog import find_image, open_source
from ndcore.data.class_list import read_classes, with_classes
from ndcore.data.decode import decode
from ndcore.data.sources import ImageSource
from ndcore.data.splits import SPLITS, positions
from ndcore.errors import BadImageError, BadRequestError, DataError
from ndcore.networks.probe import Wishes
from ndcore.networks.registry import ModelSpec


def for_bundle(bundle: Bundle, source: ImageSource) -> ImageSource:
    """Images of some or all of a bundle's classes, labelled as its model does.

    Raises:
        BadRequestError: the source has other classes.
    """
    try:
        return with_classes(source, bundle.classes)
    except DataError as error:
        raise BadRequestError(
            f"the data has classes {', '.join(source.classes[:4])}, ... "
            f"but bundle '{bundle.name}' knows {', '.join(bundle.classes[:4])}, ..."
        ) from error


def choose_members(bundle: Bundle, source: ImageSource, split: str | None) -> tuple[str, list[int]]:
    """Positions of a split of the bundle in a source.

    Without a split: `evaluation` where the source holds those images, else all images.

    Raises:
        BadRequestError: unknown split, or the source has none of its images.
    """
    if split == "all":
        return split, list(range(len(source)))
    if split == "test":
        members = [i for i, part in enumerate(source.parts) if part == "test"]
    elif split is None or split in SPLITS:
        members = positions(source, bundle.splits[split or "evaluation"])
    else:
        raise BadRequestError(f"unknown split '{split}': choose {', '.join(SPLITS)}, test or all")
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
        rows = [_one(name, bundle.shape, options.data) for name in options.images]
        labels = np.array([label for _, label in rows], np.int64)
        return ImageBatch(tuple(options.images), labels, np.stack([pixels for pixels, _ in rows]))
    source, members = choose_source(bundle, options, default)
    if options.n is not None and options.n < len(members):
        rng = np.random.default_rng(getattr(options, "seed", 0))
        members = sorted(rng.choice(members, options.n, replace=False).tolist())
    return ImageBatch.of(source, members)


def choose_source(
    bundle: Bundle, options: Namespace, default: str | None
) -> tuple[ImageSource, list[int]]:
    """The source that `--source` and `--data` name, and the positions to draw from.

    Raises:
        BadRequestError: nothing was named, or what does not fit.
        DataError: the data cannot be had.
    """
    name = options.source or ("folder" if options.data else default)
    if name is None:
        raise BadRequestError("name at least one image, or a --source")
    if options.n is not None and options.n < 1:
        raise BadRequestError(f"n must be at least 1, got {options.n}")
    source = for_bundle(bundle, open_source(name, options.data, bundle.shape))
    _, members = choose_members(bundle, source, options.split)
    if options.lossless:
        members = [i for i in members if source.lossless[i]]
        if not members:
            raise BadRequestError("none of these images is in a lossless file")
    if source.shape != bundle.shape:
        raise BadRequestError(f"the images are {source.shape}, the model takes {bundle.shape}")
    return source, members


def _one(name: str, shape: tuple[int, int, int], data: str | None) -> tuple[NDArray[np.uint8], int]:
    if os.path.isfile(name):
        try:
            with open(name, "rb") as file:
                return decode(file.read(), shape, name=name).pixels, UNKNOWN
        except OSError as error:
            raise BadImageError(f"{name} cannot be read: {error.strerror}") from error
    if ":" not in name and data is None:
        raise BadImageError(f"{name} is no file and no image id")
    pixels, label = find_image(name, data, shape)
    if pixels.shape != shape:
        raise BadRequestError(f"image '{name}' is {pixels.shape}, the model takes {shape}")
    return pixels, label


def default_data(bundle: str) -> str:
    """The data that a shipped bundle was built from."""
    return "digits" if bundle == "digits-cnn" else "cifar10"


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
    return Wishes(options.size, options.output, classes, options.skip_broken)
