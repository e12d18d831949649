"""Every door for a model and images that somebody brings (`train`, `build`, `check`, Python).

A model is looked at once and brought into the form that keeps the contract, or refused in one
sentence that says what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ndcore.data.catalog import open_data
from ndcore.data.class_list import with_classes
from ndcore.data.copies import without_broken
from ndcore.data.folder.intake import USUAL, Intake
from ndcore.data.folders import image_sizes
from ndcore.data.sources import ImageSource
from ndcore.errors import BadRequestError, DataError
from ndcore.networks.brought.probe import answer_of, probe
from ndcore.networks.called.function import Answer, Called
from ndcore.networks.form import Finding, adapted
from ndcore.networks.registry import COLOURS, ModelSpec


@dataclass(frozen=True)
class Wishes:
    """What is to be done with an own model and its images.

    Attributes:
        size: (H, W) to which images are brought; default: the model's `shape`, else their own.
        output: which part of the model's answer to take; "" finds it.
        classes: what the model tells apart, in order; default: the folders of the images.
        skip_broken: leave out image files that cannot be read, instead of stopping at them.
        intake: how image files are taken in.
    """

    size: Sequence[int] | None = None
    output: str = ""
    classes: tuple[str, ...] = ()
    skip_broken: bool = False
    intake: Intake = USUAL


def open_images(spec: ModelSpec, data: str | Path, wishes: Wishes) -> tuple[ModelSpec, ImageSource]:
    """The images of a model, and the model as it is to be used with them.

    Args:
        spec: registered or own.
        data: what `--data` names.
        wishes: of whoever brings the model.

    Returns:
        An own model with what was found; `usable` says whether it can be used.

    Raises:
        BadRequestError: the model takes no such size.
        DataError: the images are of several sizes, or there are none.
    """
    size, intake = wishes.size, wishes.intake
    if size and not spec.own and spec.shape and tuple(size) != spec.shape[:2]:
        raise BadRequestError(f"{spec.name} takes images of {spec.shape[0]}x{spec.shape[1]}")
    if size and spec.own:
        height, width = size
        spec = replace(spec, shape=(height, width, _channels(spec, size)))
    source = open_data(data, spec.shape, intake)
    if spec.shape is None:
        _require_one_size(source)
        height, width, channels = source.shape
        wanted = (height, width, _channels(spec, (height, width)))
        source = source if channels == wanted[2] else open_data(data, wanted, intake)
    if wishes.skip_broken:
        source = without_broken(source)[0]
    if not spec.own:
        return spec, source
    if wishes.classes:
        source = with_classes(source, wishes.classes)
    return examined(spec, source, wishes.output), source


def examined(spec: ModelSpec, source: ImageSource, output: str = "") -> ModelSpec:
    """An own model with what a probe on some of these images found, and in its form.

    Raises:
        DataError: the images are of another shape.
    """
    spec = replace(spec, shape=spec.shape or source.shape)
    if source.shape != spec.shape:
        raise DataError(f"the images are {source.shape} but {spec.name} takes {spec.shape}")
    chosen = sorted({0, len(source) // 2, len(source) - 1})
    form, findings = probe(spec.build(), source.pixels(chosen), len(source.classes), output)
    return replace(spec.in_form(form), findings=findings)


def usable(spec: ModelSpec, source: ImageSource) -> ModelSpec:
    """A model that was examined, or is here; a registered one as it is.

    Raises:
        BadRequestError: it cannot be used; the sentence says what to do.
    """
    if not spec.own:
        return spec
    spec = spec if spec.findings is not None else examined(spec, source)
    require_usable(spec.findings or ())
    return spec


def adapt_model(
    module: nn.Module | Answer,
    pixels: NDArray[np.uint8],
    classes: int | None = None,
    output: str = "",
) -> nn.Module:
    """A module of any kind, or a function of images, as attacks and detectors take it.

    It is in eval mode and answers with logits.

    Args:
        module: put into eval mode and float32, in place; or a function, see `Called`.
        pixels: uint8 (n, H, W, C), some of its images.
        classes: how many it tells apart, where that is known.
        output: which part of its answer to take; "" finds it.

    Raises:
        BadRequestError: it cannot be used; the sentence says what to do.
    """
    if not isinstance(module, nn.Module):
        module = Called(module, getattr(module, "__name__", "the function"))
    form, findings = probe(module, pixels, classes, output)
    require_usable(findings)
    return adapted(module, form).eval()


def require_usable(findings: Sequence[Finding]) -> None:
    """Raise BadRequestError with the first finding that stops."""
    for finding in findings:
        if finding.stops:
            raise BadRequestError(finding.sentence)


def _channels(spec: ModelSpec, size: Sequence[int]) -> int:
    model = spec.build().eval()
    for channels in COLOURS:
        try:
            answer_of(model, torch.zeros(2, channels, *size))
        except BadRequestError:
            continue
        return channels
    return COLOURS[0]


def _require_one_size(source: ImageSource) -> None:
    """Images that are brought to no size that somebody chose have to be of one."""
    if source.name != "folder":
        return
    found = [
        (image_id, size)
        for image_id, size in zip(source.ids, image_sizes(source), strict=True)
        if size
    ]
    other = next((each for each in found if each[1] != found[0][1]), None)
    if other is not None:
        told = " and ".join(f"{w}x{h} ({name})" for name, (h, w) in (found[0], other))
        raise DataError(
            f"the images are of several sizes, such as {told}: give the size they are to be "
            "brought to with --size H W, or set `shape` of the model to (H, W, C)"
        )
