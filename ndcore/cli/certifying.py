"""The work of `certify`, step by step, with its progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ndcore.bundles.bundle import Bundle
from ndcore.certificate.audit import Audit, audit
from ndcore.certificate.blocks import pairs_of
from ndcore.certificate.hole_attack import HoleAttack, attack_holes
from ndcore.certificate.kept import KeptCertificates
from ndcore.certificate.one_pixel import Certificate, alarm_on, certificate_of
from ndcore.certificate.recovery import Recovery, recover
from ndcore.certificate.repairs import expected_seconds
from ndcore.certificate.shares import certified_shares, two_pixel_shares
from ndcore.certificate.two_pixels import PairCertificate, certify_two
from ndcore.cli.progress import Progress
from ndcore.data.batch import UNKNOWN, ImageBatch
from ndcore.data.pairs import Pair
from ndcore.legible.plurals import counted
from ndcore.networks.evaluator import Evaluator, evaluator_for

Counted = Callable[[int, int], None]
Made = TypeVar("Made")
Shared = Callable[[list[int]], Iterator[tuple[int, Made]]]  # of the images at these positions


@dataclass
class Certifying:
    """What is asked of some images, and what was found.

    Attributes:
        bundle: whose model answers.
        chosen: the images.
        keys: under which the gallery would know each.
        resume: file that keeps every certificate.
    """

    bundle: Bundle
    chosen: ImageBatch
    keys: tuple[str, ...]
    resume: str | None

    @cached_property
    def _evaluator(self) -> Evaluator:
        return evaluator_for(self.bundle.model, self.bundle.shape, "float32")

    @cached_property
    def _kept(self) -> KeptCertificates:
        place = None if self.resume is None else Path(self.resume)
        return KeptCertificates(place, self.bundle.weight_hash)

    @cached_property
    def _attacks(self) -> dict[int, Pair]:
        """By position the images that the gallery knows an attack by one pixel on."""
        known = {row.key: row for row in self.bundle.gallery if len(row.pixels) == 1}
        found = {}
        for at, (key, image) in enumerate(zip(self.keys, self.chosen.pixels, strict=True)):
            row = known.get(key)
            if row is None:
                continue
            (pixel,) = row.pixels
            if tuple(image[pixel.row, pixel.col].tolist()) == pixel.before:
                found[at] = row.pair(image)
        return found

    def take(self, shared: Shared[Certificate]) -> None:
        """Have the certificates that are not there yet made elsewhere."""
        pixels = self.chosen.pixels
        left = [at for at, image in enumerate(pixels) if self._kept.get(image) is None]
        with Progress() as progress:
            for done, (at, one) in enumerate(shared(left)):
                self._kept.add(pixels[at], one)
                progress.step("images certified", done + 1, len(left))

    def take_two(self, block: int, shared: Shared[PairCertificate]) -> None:
        """The same of those for two pixels."""
        pixels = self.chosen.pixels
        left = [at for at, image in enumerate(pixels) if self._kept.get_two(image, block) is None]
        with Progress() as progress:
            for done, (at, two) in enumerate(shared(left)):
                self._kept.add_two(pixels[at], two)
                progress.step("images certified for two pixels", done + 1, len(left))

    @cached_property
    def found(self) -> list[Certificate]:
        """The certificate of every image for one pixel."""
        chosen, found = self.chosen, []
        height, width = self.bundle.shape[:2]
        with Progress() as progress:
            seconds = len(chosen) * expected_seconds(self._evaluator, chosen.pixels[0])
            images = counted(len(chosen), "image")
            progress.step(
                f"{images} of {height} x {width} pixels, a float32 query for each: about "
                f"{seconds:,.0f} s"
            )
            for at, image in enumerate(chosen.pixels):
                progress.step("certifying", at, len(chosen))
                one = self._kept.get(image)
                if one is None:
                    one = certificate_of(self._evaluator, image)
                    self._kept.add(image, one)
                found.append(one)
        return found

    def shares(self) -> dict[str, Any]:
        """See `certified_shares`."""
        noticed = {}
        for at, pair in self._attacks.items():
            (pixel,) = pair.changes
            noticed[at] = alarm_on(self._evaluator, pair.images[-1], (pixel.row, pixel.col))
        return certified_shares(self.found, self.chosen.labels, noticed)

    def two_pixels(
        self, block: int
    ) -> tuple[list[PairCertificate], list[Recovery], dict[str, Any]]:
        """Of every image the pairs of blocks, up to the first that objects, and the recovered
        label; and their shares."""
        chosen, pairs = self.chosen, pairs_of(self.bundle.shape, block)
        certified, clean, attacked = [], [], {}
        with Progress() as progress:
            progress.step(
                f"for two pixels at most {pairs:,} filled images of each, until one objects"
            )
            for at, image in enumerate(chosen.pixels):
                told = f"image {at + 1:,} of {len(chosen):,}, pairs of blocks"
                certified.append(self._pairs(image, block, partial(progress.step, told)))
                clean.append(recover(self._evaluator, image, block))
                if at in self._attacks:
                    after = self._attacks[at].images[-1]
                    attacked[at] = recover(self._evaluator, after, block)
        predicted = [one.predicted for one in self.found]
        summary = two_pixel_shares(certified, predicted, chosen.labels, clean, attacked)
        return certified, clean, summary

    def _pairs(self, image: NDArray[np.uint8], block: int, step: Counted) -> PairCertificate:
        pairs = pairs_of(self.bundle.shape, block)
        found = self._kept.get_two(image, block)
        if found is None:
            found = certify_two(self._evaluator, image, block, lambda asked: step(asked, pairs))
            self._kept.add_two(image, found)
        return found

    def holes(self) -> tuple[dict[int, list[HoleAttack]], dict[str, Any]]:
        """By position attacks on the holes of what the model gets, or may get, right; a summary."""
        tried = {}
        open_ = [
            at
            for at, (label, one) in enumerate(zip(self.chosen.labels, self.found, strict=True))
            if one.holes and label in (UNKNOWN, one.predicted)
        ]
        with Progress() as progress:
            for done, at in enumerate(open_):
                progress.step("attacking holes", done, len(open_))
                tried[at] = attack_holes(self._evaluator, self.chosen.pixels[at], self.found[at])
        holes = [one for each in tried.values() for one in each]
        used = [any(one.colour is not None for one in each) for each in tried.values()]
        return tried, {
            "images": len(open_),
            "holes": len(holes),
            "reached": sum(one.reached > 0 for one in holes),
            "unnoticed": sum(one.colour is not None for one in holes),
            "images_unnoticed": sum(used),
        }

    def audit(self) -> dict[str, Any]:
        """Every level of every pixel of every certified image."""
        pixels = self.chosen.pixels
        proven = [at for at, one in enumerate(self.found) if one.certified]
        audits: list[Audit] = []
        with Progress() as progress:
            for at in proven:
                progress.step("trying every level of every pixel", len(audits), len(proven))
                audits.append(audit(self._evaluator, pixels[at]))
        return {
            "images": len(audits),
            "changes": sum(each.changes for each in audits),
            "flips": sum(each.flips for each in audits),
            "unnoticed": sum(each.unnoticed for each in audits),
        }
