"""Attacks on images of a source in shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ndcore.attacks import AttackConfig, AttackResult, attack_images
from ndcore.scale.network.shared import Named, Shared
from ndcore.steps import in_parts

ATTACKED = 16  # images of a shard, whoever does it


@dataclass(frozen=True)
class _Attack:
    named: Named
    config: AttackConfig
    by_key: bool

    def __call__(self, positions: Sequence[int]) -> list[AttackResult]:
        model, source = self.named.opened()
        names = source.keys() if self.by_key else source.ids
        return attack_images(
            model,
            source.pixels(positions),
            source.labels[list(positions)],
            [names[at] for at in positions],
            self.config,
        )


def attack_shared(
    shared: Shared, positions: Sequence[int], config: AttackConfig, *, by_key: bool = False
) -> Iterator[AttackResult]:
    """The result of each image at `positions`, in this order; who needs no more may stop.

    Args:
        shared: the network and the images, as the workers open them.
        positions: in the source.
        config: what to do.
        by_key: images are named by their keys, on which their random streams hang; else by ids.
    """
    shards = [positions[part] for part in in_parts(len(positions), ATTACKED)]
    yield from shared.crew.in_order(_Attack(shared.named, config, by_key), shards)
