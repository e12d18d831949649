"""Pieces of a study, and attacks for it, made by a crew whose workers see the study's folder.

A worker finds the images of a set there and leaves its pieces there, as a study alone does; only
the numbers of images, and results of attacks, travel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ndcore.attacks import AttackConfig, AttackResult, attack_images
from ndcore.bundles.bundle import Bundle
from ndcore.data.sources import ImageSource
from ndcore.errors import BadRequestError
from ndcore.scale.crew import Crew
from ndcore.steps import in_parts, no_step
from ndcore.study.measured.image_sets import POOL, ImageSet
from ndcore.study.measured.measurements import Measurer, load_images, save_images


@dataclass(frozen=True)
class Place:
    """A study, as a worker opens it.

    Attributes:
        opens: gives the bundle and its data; can be pickled and compared.
        folder: of the study.
        drawn, known_as: see `Measurer`.
    """

    opens: Callable[[], tuple[Bundle, ImageSource]]
    folder: Path
    drawn: tuple[int, int]
    known_as: str


@lru_cache(maxsize=1)
def _measurer(place: Place) -> Measurer:
    bundle, source = place.opens()
    found = Measurer(bundle, source, place.folder, *place.drawn, no_step)
    if found.known_as != place.known_as:
        raise BadRequestError(f"a worker has another '{bundle.name}' than the study")
    return found


@dataclass(frozen=True)
class _Kept:
    """A set of images in the folder of a study."""

    place: Place
    name: str
    file: str
    stamp: str

    def opened(self) -> tuple[Measurer, ImageSet]:
        return _measurer(self.place), _images(self)


@lru_cache(maxsize=1)
def _images(kept: _Kept) -> ImageSet:
    found = load_images(kept.place.folder / kept.file, kept.name, kept.stamp)
    if found is None:
        raise BadRequestError(
            f"a worker does not find the study's images in {kept.place.folder}: "
            "give --out on a disk that all share"
        )
    return found


@dataclass(frozen=True)
class _MakePieces:
    kept: _Kept
    what: str

    def __call__(self, starts: Sequence[int]) -> Sequence[int]:
        measurer, images = self.kept.opened()
        measurer.make(self.what, images, starts)
        return starts


@dataclass(frozen=True)
class _Attack:
    kept: _Kept
    config: AttackConfig

    def __call__(self, positions: Sequence[int]) -> list[AttackResult]:
        measurer, images = self.kept.opened()
        some = images.take(positions)
        model = measurer.bundle.model
        return attack_images(model, some.pixels, some.labels, some.ids, self.config)


@dataclass(frozen=True)
class Elsewhere:
    """Who makes what a study lacks, and where."""

    crew: Crew
    place: Place

    def pieces(
        self, measurer: Measurer, images: ImageSet, what: str, starts: Sequence[int]
    ) -> Iterator[int]:
        """Have the pieces made that begin at these images; gives each as it is there."""
        if starts:
            work = _MakePieces(self._kept(measurer, images), what)
            for _, made in self.crew.parts(work, [[start] for start in starts]):
                yield from made

    def attack(
        self, measurer: Measurer, images: ImageSet, positions: Sequence[int], config: AttackConfig
    ) -> Iterator[AttackResult]:
        """The results of the images at `positions`, in this order."""
        shards = [positions[part] for part in in_parts(len(positions), POOL)]
        yield from self.crew.in_order(_Attack(self._kept(measurer, images), config), shards)

    def _kept(self, measurer: Measurer, images: ImageSet) -> _Kept:
        """The set, put where the workers find it."""
        file, stamp = f"{images.name}-{len(images)}-shared.npz", measurer.stamp(images.pixels)
        path = measurer.folder / file
        if load_images(path, images.name, stamp) is None:
            save_images(path, images, stamp)
        return _Kept(self.place, images.name, file, stamp)
