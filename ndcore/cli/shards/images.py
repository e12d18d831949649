"""Shards of the images that `attack` and `certify` choose."""

from __future__ import annotations

import hashlib
import json
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ndcore.attacks import AttackConfig, AttackResult, attack_images
from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.certificate.one_pixel import Certificate, certificate_of
from ndcore.certificate.two_pixels import PairCertificate, certify_two
from ndcore.cli.selection import attacked_images, certified_images
from ndcore.data.batch import ImageBatch
from ndcore.errors import BadRequestError
from ndcore.networks.evaluator import evaluator_for
from ndcore.scale.crew import Crew, shards_of

ATTACKED = 16  # images of a shard, whoever does it
CERTIFIED = 4


@dataclass(frozen=True)
class ChosenImages:
    """A bundle and the images that a command chose, as they are opened by another process.

    Attributes:
        command: its options, as JSON.
        digest: SHA-256 (hex) of the weights and the images.
    """

    command: str
    digest: str

    @classmethod
    def of(cls, options: Namespace, bundle: Bundle, images: ImageBatch) -> ChosenImages:
        """Those that were opened here."""
        return cls(json.dumps(vars(options), sort_keys=True), _digest(bundle, images))

    def opened(self) -> tuple[Bundle, ImageBatch]:
        """The bundle and the images; they stay open for the next shard.

        Raises:
            BadRequestError: here they are others.
        """
        return _opened(self)


@lru_cache(maxsize=1)
def _opened(chosen: ChosenImages) -> tuple[Bundle, ImageBatch]:
    options = Namespace(**json.loads(chosen.command))
    bundle = load_bundle(options.bundle)
    if options.command == "attack":
        images = attacked_images(bundle, options)
    else:
        images, _, _ = certified_images(bundle, options)
    if _digest(bundle, images) != chosen.digest:
        raise BadRequestError(f"a worker has another '{bundle.name}', or other images of it")
    return bundle, images


def _digest(bundle: Bundle, images: ImageBatch) -> str:
    found = hashlib.sha256(repr((bundle.weight_hash, images.ids)).encode())
    found.update(images.labels.tobytes() + images.pixels.tobytes())
    return found.hexdigest()


@dataclass(frozen=True)
class _Attack:
    chosen: ChosenImages
    config: AttackConfig

    def __call__(self, positions: Sequence[int]) -> list[AttackResult]:
        bundle, images = self.chosen.opened()
        some = images.take(positions)
        return attack_images(bundle.model, some.pixels, some.labels, some.ids, self.config)


def attacked_by(
    crew: Crew, chosen: ChosenImages, config: AttackConfig, to_do: Sequence[int]
) -> Iterator[tuple[int, AttackResult]]:
    """Positions of images and the result of each, as they come."""
    return crew.each(_Attack(chosen, config), shards_of(to_do, ATTACKED))


@dataclass(frozen=True)
class _Certify:
    chosen: ChosenImages

    def __call__(self, positions: Sequence[int]) -> list[Certificate]:
        bundle, images = self.chosen.opened()
        evaluator = evaluator_for(bundle.model, bundle.shape, "float32")
        return [certificate_of(evaluator, images.pixels[at]) for at in positions]


def certified_by(
    crew: Crew, chosen: ChosenImages, to_do: Sequence[int]
) -> Iterator[tuple[int, Certificate]]:
    """Positions of images and the certificate of each, as they come."""
    return crew.each(_Certify(chosen), shards_of(to_do, CERTIFIED))


@dataclass(frozen=True)
class _CertifyTwo:
    chosen: ChosenImages
    block: int

    def __call__(self, positions: Sequence[int]) -> list[PairCertificate]:
        bundle, images = self.chosen.opened()
        evaluator = evaluator_for(bundle.model, bundle.shape, "float32")
        return [certify_two(evaluator, images.pixels[at], self.block) for at in positions]


def certified_for_two_by(
    crew: Crew, chosen: ChosenImages, block: int, to_do: Sequence[int]
) -> Iterator[tuple[int, PairCertificate]]:
    """The same for two pixels, by such blocks."""
    return crew.each(_CertifyTwo(chosen, block), shards_of(to_do, 1))
