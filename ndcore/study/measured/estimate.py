"""How long a study will take, from a few of its pieces, before it begins.

Pieces are timed in processor seconds, so that a busy machine does not look like a slow one; what
they come to is told for this many quiet cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from ndcore.attacks.adaptive import all_flips
from ndcore.attacks.engines.grid import Grid
from ndcore.attacks.gradient import METHODS
from ndcore.detectors.repair import repair
from ndcore.networks.evaluator import evaluator_for
from ndcore.study.measured.adversaries import ADVERSARIES, HIDE, HOLES, SEARCH, Adversary
from ndcore.study.measured.image_sets import Family, ImageSet
from ndcore.study.measured.measurements import Measurer
from ndcore.study.measured.proofs import prove

QUERIES = 200  # of the search that is timed
HALF_SEARCH = 0.15  # share of its queries that a search has used when it succeeds
BACKWARD = 3  # a forward and a backward pass, in forward passes of a single image
REST = 1.1  # features, scores and figures come to a tenth of it


@dataclass(frozen=True)
class Estimate:
    """Processor seconds of a study.

    Attributes:
        pieces: what is done -> how often, and seconds for each.
        cores: that it will run on.
    """

    pieces: Mapping[str, tuple[float, float]]
    cores: int

    @property
    def seconds(self) -> float:
        """Of one processor, in all."""
        return REST * sum(count * each for count, each in self.pieces.values())

    @property
    def text(self) -> str:
        """In a sentence."""
        parts = ", ".join(
            f"{count:,.0f} {what} of {1000 * each:,.1f} ms"
            for what, (count, each) in self.pieces.items()
        )
        minutes = self.seconds / self.cores / 60
        return (
            f"about {minutes:,.0f} minutes on {self.cores} quiet cores "
            f"({self.seconds / 60:,.0f} of one processor: {parts})"
        )


def estimate(
    measurer: Measurer,
    images: ImageSet,
    kinds: Sequence[Family | Adversary],
    counts: Mapping[str, int],
    n: int | None,
) -> Estimate:
    """Time a repair, a proof and a search on one image, and count how many there will be.

    Args:
        measurer: of the study.
        images: at least one benign image.
        kinds: of attack that will be run.
        counts: as `study.config.amounts` has them.
        n: attack no more than this many images of each kind; None for all.
    """
    bundle = measurer.bundle
    evaluator, image = evaluator_for(bundle.model, bundle.shape), images.pixels[:1]
    label, key = int(images.labels[0]), images.ids[0]

    def search() -> object:
        return all_flips(evaluator, image[0], label, key, max_queries=QUERIES)

    each = {
        "repairs of all pixels": _timed(lambda: repair(evaluator, image)),
        "the same in float32": _timed(lambda: prove(measurer.exact, evaluator, image)),
        "queries of searches": _timed(search) / QUERIES,
        "passes of an image": _timed(lambda: evaluator.plain(image)),
    }
    values = Grid().count(bundle.shape)
    often = _counts(kinds, counts, n, len(bundle.classes), values)
    cores = torch.get_num_threads()
    return Estimate({what: (often[what], cost) for what, cost in each.items()}, cores)


def _timed(work: Callable[[], object]) -> float:
    """Processor seconds, once warm."""
    work()
    started = time.process_time()
    work()
    return time.process_time() - started


def _counts(
    kinds: Sequence[Family | Adversary],
    counts: Mapping[str, int],
    n: int | None,
    classes: int,
    grid: int,
) -> dict[str, float]:
    repairs = float(counts["dev"] + counts["calibration"] + 4 * counts["control"])
    queries = passes = 0.0
    sizes = {kind.name: min(kind.images, n or kind.images) for kind in kinds}
    for kind in kinds:
        images = sizes[kind.name]
        repairs += images * kind.expected
        if isinstance(kind, Adversary):
            repairs += images * kind.expected  # the detector is shown some
        elif kind.config.searches:
            budget = (kind.config.max_queries or SEARCH) * kind.config.pixels
            queries += images * budget * (1 - (1 - HALF_SEARCH) * kind.expected)
        else:
            passes += images * BACKWARD * METHODS[kind.config.engine].passes(classes)
    known = [kind for kind in kinds if kind in ADVERSARIES]
    if known:
        shared = max(sizes[kind.name] for kind in known if kind.name != "holes" or len(known) == 1)
        broken = 0.25 * shared
        queries += 2 * SEARCH * shared + broken * HIDE + HOLES * shared
        repairs += broken
        # The same searches on dev images, and what the detector is chosen on.
        queries += counts["dev"] * (1.5 * SEARCH + 0.25 * 2 * SEARCH)
        repairs += 0.8 * counts["dev"]
        queries += counts["self-test"] * grid
    return {
        "repairs of all pixels": repairs,
        "the same in float32": counts["evaluation"] if known else 0,
        "queries of searches": queries,
        "passes of an image": passes,
    }
