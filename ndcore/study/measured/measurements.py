"""Measurements of image sets, kept on disk piece by piece so that a killed study goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from ndcore.bundles.bundle import Bundle
from ndcore.data.sources import ImageSource
from ndcore.data.splits import positions
from ndcore.detectors.repair import Repairs, repair
from ndcore.detectors.scoring.detector import Measured
from ndcore.detectors.scoring.features import FeaturePass, Features
from ndcore.detectors.scoring.reference import (
    Reference,
    collect_reference,
    load_reference,
    save_reference,
)
from ndcore.errors import BadRequestError, BundleError
from ndcore.networks.evaluator import Evaluator, evaluator_for
from ndcore.steps import Step, counter
from ndcore.storage.stamped import load_stamped, save_stamped
from ndcore.study.measured.adversaries import Defence
from ndcore.study.measured.image_sets import Attack, ImageSet
from ndcore.study.measured.proofs import ProvenRepairs, prove
from ndcore.study.measured.self_test import SelfTest, self_test

if TYPE_CHECKING:
    from ndcore.study.measured.elsewhere import Elsewhere

PIECES = {"features": 512, "repairs": 64, "proofs": 16}  # images
REPAIRED_AS = "with pairs"  # pieces of other repairs are made anew

# More images are done.
Count = Callable[[int], None]
Piece = TypeVar("Piece", Features, Repairs, ProvenRepairs)


class Measurer:
    """Reads image sets, or what an earlier run has read of them.

    Args:
        bundle: model and distributions.
        source: where the reference images are.
        folder: for the pieces.
        per_class: reference images of each class.
        seed: of their draw.
        on_step: told what is being done.

    Attributes:
        drawn: reference images of each class, and the seed of their draw.
        known_as: stamp of what is measured with these weights and reference images.
        elsewhere: who makes what is not there yet; None: it is made here.
    """

    elsewhere: Elsewhere | None = None

    def __init__(
        self,
        bundle: Bundle,
        source: ImageSource,
        folder: Path,
        per_class: int,
        seed: int,
        on_step: Step,
    ) -> None:
        self.bundle, self.folder, self.drawn = bundle, folder, (per_class, seed)
        self.on_step = on_step
        self._evaluator = evaluator_for(bundle.model, bundle.shape)
        path = folder / f"reference-{per_class}-{seed}.npz"
        try:
            self.reference: Reference = load_reference(path, bundle.weight_hash)
        except BundleError:
            self.reference = self._collect(source, per_class, seed)
            save_reference(path, self.reference)
        self.passes = FeaturePass(bundle, self.reference)
        self.known_as = f"{bundle.weight_hash} {per_class} {seed}"

    def _collect(self, source: ImageSource, per_class: int, seed: int) -> Reference:
        bundle = self.bundle
        return collect_reference(
            bundle.model,
            bundle.layers,
            source,
            positions(source, bundle.splits["reference"]),
            per_class=per_class,
            seed=seed,
            on_batch=counter(self.on_step, "reference images", per_class * len(bundle.classes)),
        )

    def measure(self, images: ImageSet, repairs: bool = True, *, proven: bool = False) -> Measured:
        """Features of a set of at least one image and, if wanted, its repairs.

        Args:
            images: the set.
            repairs: repair every pixel of every image.
            proven: in float32 throughout, so that the repairs are `ProvenRepairs`.
        """
        made = (self._proofs(images) if proven else self._repairs(images)) if repairs else None
        return Measured(self._features(images), made)

    def images(self, name: str, question: str, make: Callable[..., ImageSet]) -> ImageSet:
        """A set that takes long to make: `make()`, or what it made for the same question.

        `make` takes `on_image`, see `image_sets.attacked_set`.
        """
        path = self.folder / f"{name}-images.npz"
        stamp = f"{self.known_as} {question}"
        known = load_images(path, name, stamp)
        if known is not None:
            return known
        told = partial(self.on_step, f"attack {name}")
        found = make(on_image=told)
        save_images(path, found, stamp)
        return found

    @property
    def attack(self) -> Attack | None:
        """What `attacked_set` attacks with."""
        return None if self.elsewhere is None else partial(self.elsewhere.attack, self)

    def self_test(self, defence: Defence, images: ImageSet) -> SelfTest | None:
        """See `self_test`; what an earlier run has found."""
        path = self.folder / "self-test.npz"
        stamp = self.stamp(images.pixels)
        found = SelfTest.load(path, stamp)
        if found is None:
            self.on_step("self-test of the attackers", 0, 0)
            found = self_test(defence, images)
            if found is not None:
                found.save(path, stamp)
        return found

    def stamp(self, pixels: NDArray[np.uint8]) -> str:
        """Of what is measured on these images: other weights or reference images have another."""
        return hashlib.sha256(self.known_as.encode() + pixels.tobytes()).hexdigest()

    def make(self, what: str, images: ImageSet, starts: Sequence[int]) -> None:
        """Make the pieces of a set that begin at these images: `features`, `repairs`, `proofs`."""
        makers = {"features": self._features, "repairs": self._repairs, "proofs": self._proofs}
        makers[what](images, starts)

    def _features(self, images: ImageSet, starts: Sequence[int] | None = None) -> Features:
        def make(pixels: NDArray[np.uint8], count: Count) -> Features:
            return self.passes.read(pixels, on_batch=count)

        return Features.joined(self._pieces(images, "features", Features, make, starts))

    def _repairs(self, images: ImageSet, starts: Sequence[int] | None = None) -> Repairs:
        def make(pixels: NDArray[np.uint8], count: Count) -> Repairs:
            return repair(self._evaluator, pixels, on_image=count)

        return Repairs.joined(self._pieces(images, "repairs", Repairs, make, starts))

    def _proofs(self, images: ImageSet, starts: Sequence[int] | None = None) -> ProvenRepairs:
        def make(pixels: NDArray[np.uint8], count: Count) -> ProvenRepairs:
            return prove(self.exact, self._evaluator, pixels, on_image=count)

        return ProvenRepairs.joined(self._pieces(images, "proofs", ProvenRepairs, make, starts))

    @property
    def exact(self) -> Evaluator:
        """What decides a proof: float32 throughout."""
        return evaluator_for(self.bundle.model, self.bundle.shape, "float32")

    def _pieces(
        self,
        images: ImageSet,
        what: str,
        kind: type[Piece],
        make: Callable[[NDArray[np.uint8], Count], Piece],
        starts: Sequence[int] | None,
    ) -> list[Piece]:
        """A piece for every `PIECES[what]` images, from disk where an earlier run has made it.

        With `starts` those alone that begin there, made here.
        """
        size = PIECES[what]

        def known(start: int) -> Piece | None:
            stamp = self.stamp(images.pixels[start : start + size])
            return kind.load(self._piece_file(images, what, start), stamp + _made_as(what))

        every = range(0, len(images), size)
        if self.elsewhere is not None and starts is None:
            self._have_made(images, what, [start for start in every if known(start) is None])
        found = []
        for start in every if starts is None else starts:
            piece = known(start)
            if piece is None:
                self._require_here(starts)
                pixels = images.pixels[start : start + size]
                told = f"{what} of {images.name}"
                piece = make(pixels, counter(self.on_step, told, len(images), start))
                path = self._piece_file(images, what, start)
                piece.save(path, self.stamp(pixels) + _made_as(what))
            found.append(piece)
        return found

    def _have_made(self, images: ImageSet, what: str, starts: list[int]) -> None:
        assert self.elsewhere is not None
        for done, _ in enumerate(self.elsewhere.pieces(self, images, what, starts)):
            self.on_step(f"{what} of {images.name}, pieces", done + 1, len(starts))

    def _require_here(self, starts: Sequence[int] | None) -> None:
        """What is made elsewhere must show here; made here after all it could differ."""
        if self.elsewhere is not None and starts is None:
            raise BadRequestError(
                f"what workers made is not in {self.folder}: give --out on a disk that all share"
            )

    def _piece_file(self, images: ImageSet, what: str, start: int) -> Path:
        return self.folder / f"{images.name}-{what}-{start:06d}.npz"


def _made_as(what: str) -> str:
    return "" if what == "features" else REPAIRED_AS


def save_images(path: Path, images: ImageSet, stamp: str) -> None:
    """Write a set as `save_stamped` does."""
    arrays = {key: np.asarray(value) for key, value in vars(images).items() if key != "name"}
    save_stamped(path, arrays | {"keys": arrays.pop("ids")}, stamp)


def load_images(path: Path, name: str, stamp: str) -> ImageSet | None:
    """What `save_images` wrote under the same stamp; else None."""
    known = load_stamped(path, stamp)
    if known is None:
        return None
    keys = tuple(str(key) for key in known.pop("keys"))
    return ImageSet(name=name, ids=keys, attacked=int(known.pop("attacked")), **known)
