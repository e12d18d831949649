"""Measurements of image sets, kept on disk piece by piece so that a killed study goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

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
from ndcore.errors import BundleError
from ndcore.networks.evaluator import Evaluator, evaluator_for
from ndcore.steps import Step, counter
from ndcore.storage.stamped import load_stamped, save_stamped
from ndcore.study.measured.adversaries import Defence
from ndcore.study.measured.image_sets import ImageSet
from ndcore.study.measured.proofs import ProvenRepairs, prove
from ndcore.study.measured.self_test import SelfTest, self_test

FEATURE_PIECE = 512
REPAIR_PIECE = 64
PROOF_PIECE = 16
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
    """

    def __init__(
        self,
        bundle: Bundle,
        source: ImageSource,
        folder: Path,
        per_class: int,
        seed: int,
        on_step: Step,
    ) -> None:
        self.bundle, self.folder = bundle, folder
        self.on_step = on_step
        self._evaluator = evaluator_for(bundle.model, bundle.shape)
        path = folder / f"reference-{per_class}-{seed}.npz"
        try:
            self.reference: Reference = load_reference(path, bundle.weight_hash)
        except BundleError:
            self.reference = self._collect(source, per_class, seed)
            save_reference(path, self.reference)
        self.passes = FeaturePass(bundle, self.reference)
        self._known_as = f"{bundle.weight_hash} {per_class} {seed}"

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
        stamp = f"{self._known_as} {question}"
        known = load_stamped(path, stamp)
        if known is not None:
            keys = tuple(str(key) for key in known.pop("keys"))
            return ImageSet(name=name, ids=keys, attacked=int(known.pop("attacked")), **known)
        told = partial(self.on_step, f"attack {name}")
        found = make(on_image=told)
        arrays = {key: np.asarray(value) for key, value in vars(found).items() if key != "name"}
        save_stamped(path, arrays | {"keys": arrays.pop("ids")}, stamp)
        return found

    def self_test(self, defence: Defence, images: ImageSet) -> SelfTest | None:
        """See `self_test`; what an earlier run has found."""
        path = self.folder / "self-test.npz"
        stamp = self._stamp(images.pixels)
        found = SelfTest.load(path, stamp)
        if found is None:
            self.on_step("self-test of the attackers", 0, 0)
            found = self_test(defence, images)
            if found is not None:
                found.save(path, stamp)
        return found

    def _stamp(self, pixels: NDArray[np.uint8]) -> str:
        return hashlib.sha256(self._known_as.encode() + pixels.tobytes()).hexdigest()

    def _features(self, images: ImageSet) -> Features:
        def make(pixels: NDArray[np.uint8], count: Count) -> Features:
            return self.passes.read(pixels, on_batch=count)

        pieces = self._pieces(images, "features", FEATURE_PIECE, Features, make)
        return Features.joined(pieces)

    def _repairs(self, images: ImageSet) -> Repairs:
        def make(pixels: NDArray[np.uint8], count: Count) -> Repairs:
            return repair(self._evaluator, pixels, on_image=count)

        pieces = self._pieces(images, "repairs", REPAIR_PIECE, Repairs, make)
        return Repairs.joined(pieces)

    def _proofs(self, images: ImageSet) -> ProvenRepairs:
        def make(pixels: NDArray[np.uint8], count: Count) -> ProvenRepairs:
            return prove(self.exact, self._evaluator, pixels, on_image=count)

        pieces = self._pieces(images, "proofs", PROOF_PIECE, ProvenRepairs, make)
        return ProvenRepairs.joined(pieces)

    @property
    def exact(self) -> Evaluator:
        """What decides a proof: float32 throughout."""
        return evaluator_for(self.bundle.model, self.bundle.shape, "float32")

    def _pieces(
        self,
        images: ImageSet,
        what: str,
        size: int,
        kind: type[Piece],
        make: Callable[[NDArray[np.uint8], Count], Piece],
    ) -> list[Piece]:
        """One piece for every `size` images, from disk where an earlier run has made it."""
        found = []
        for start in range(0, len(images), size):
            pixels = images.pixels[start : start + size]
            path = self.folder / f"{images.name}-{what}-{start:06d}.npz"
            stamp = self._stamp(pixels) + ("" if what == "features" else REPAIRED_AS)
            piece = kind.load(path, stamp)
            if piece is None:
                told = f"{what} of {images.name}"
                piece = make(pixels, counter(self.on_step, told, len(images), start))
                piece.save(path, stamp)
            found.append(piece)
        return found
