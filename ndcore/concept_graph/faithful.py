"""Whether a drawn graph carries its class: keep its units alone, or remove them.

A unit that is not kept, or is removed, has its mean over all images at every position. Beside the
drawn units as many random ones of the same layers are taken, and as many that are the most active
for the class. The class's own logit is never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ndcore.activations.layer_hooks import on_layers
from ndcore.concept_graph.graph import ConceptGraph
from ndcore.concept_graph.measured import Measured
from ndcore.networks.forward import forward, most_images
from ndcore.networks.stoppable import stoppable
from ndcore.statistics.intervals import Rate
from ndcore.statistics.resampling import mean_interval
from ndcore.steps import ShouldStop, in_parts

DRAWS, SEED = 5, 0  # of random units
DRAWN, RANDOM, ACTIVE = "drawn", "random", "most active"
Chosen = Mapping[str, Sequence[int]]  # layer -> units
Means = Mapping[str, NDArray[np.floating]]


@dataclass(frozen=True)
class Faithfulness:
    """Recall of one class with some of its units at their means.

    Attributes:
        label: the class.
        units: how many are kept or removed; the last layer has none of them.
        whole: recall with nothing held.
        kept: which units -> recall when these alone are kept.
        removed: which units -> recall when these are removed. Random ones are the mean of draws.
    """

    label: int
    units: int
    whole: Rate
    kept: Mapping[str, float]
    removed: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """`{label, units, recall, keep_only, remove}`."""
        return {
            "label": self.label,
            "units": self.units,
            "recall": self.whole.to_dict("recall"),
            "keep_only": dict(self.kept),
            "remove": dict(self.removed),
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Faithfulness:
        """Of what `to_dict` gave."""
        return cls(
            found["label"],
            found["units"],
            Rate.of(found["recall"], "recall"),
            found["keep_only"],
            found["remove"],
        )


@dataclass(frozen=True)
class PairedGap:
    """Mean over classes of how much more recall the drawn units take away, or keep.

    Attributes:
        mean: in shares of the recall.
        ci95: bootstrap interval over classes.
        n: classes.
    """

    mean: float
    ci95: tuple[float, float]
    n: int

    @classmethod
    def of(cls, gaps: Sequence[float]) -> PairedGap:
        """Of one gap per class."""
        values = np.array(gaps, np.float64)
        return cls(float(values.mean()), mean_interval(values), len(values))

    @property
    def clear(self) -> bool:
        """Whether the interval lies above 0."""
        return self.ci95[0] > 0

    def to_dict(self) -> dict[str, Any]:
        """`{mean, ci95, n, clear}`."""
        return {"mean": self.mean, "ci95": list(self.ci95), "n": self.n, "clear": self.clear}


def faithfulness(
    model: nn.Module,
    graph: ConceptGraph,
    found: Measured,
    means: Means,
    pixels: NDArray[np.uint8],
    *,
    strongest: int | None = None,
    on_pass: Callable[[int, int], None] | None = None,
    should_stop: ShouldStop = None,
) -> Faithfulness:
    """Keep and remove the drawn units of a class, and as many others.

    Args:
        model: in eval mode.
        graph: of the class, as it is drawn.
        found: what it was drawn from.
        means: layer -> (units,), mean activation over the images of all classes.
        pixels: uint8 (n, H, W, C), benign images of the class that took no part in the graph.
        strongest: of each layer's drawn units these alone are taken, by influence; None for all.
        on_pass: called with how many of how many settings are through.
        should_stop: asked before every function of torch.

    Raises:
        StoppedError: `should_stop` said so.
    """
    rng = np.random.default_rng(SEED)
    inner = [level.layer for level in graph.levels[:-1]]
    drawn = {
        layer: [node.unit.unit for node in graph.nodes if node.unit.layer == layer][:strongest]
        for layer in inner
    }
    active = {
        layer: np.argsort(-found.means[layer], kind="stable")[: len(drawn[layer])].tolist()
        for layer in inner
    }
    randoms = [
        {
            layer: rng.choice(found.units[layer], len(drawn[layer]), replace=False).tolist()
            for layer in inner
        }
        for _ in range(DRAWS)
    ]
    settings: list[tuple[str, Chosen]] = [(DRAWN, drawn), (ACTIVE, active)]
    settings += [(RANDOM, each) for each in randoms]
    recalls: dict[tuple[str, bool], list[float]] = {}
    done, total = 0, 1 + 2 * len(settings)

    def recall(held: Mapping[str, NDArray[np.bool_]]) -> Rate:
        nonlocal done
        with held_at_means(model, held, means):
            right = sum(
                int((forward(model, pixels[part]).argmax(1) == graph.label).sum())
                for part in in_parts(len(pixels), most_images(pixels.shape[1:]))
            )
        done += 1
        if on_pass:
            on_pass(done, total)
        return Rate(right, len(pixels))

    with stoppable(should_stop):
        whole = recall({})
        for name, chosen in settings:
            inside = {layer: _mask(found.units[layer], chosen[layer]) for layer in inner}
            outside = {layer: ~mask for layer, mask in inside.items()}
            recalls.setdefault((name, True), []).append(recall(outside).share)
            recalls.setdefault((name, False), []).append(recall(inside).share)
    kept, removed = (
        {name: float(np.mean(recalls[name, keep])) for name in (DRAWN, ACTIVE, RANDOM)}
        for keep in (True, False)
    )
    return Faithfulness(graph.label, sum(map(len, drawn.values())), whole, kept, removed)


def paired_gaps(found: Sequence[Faithfulness]) -> dict[str, dict[str, PairedGap]]:
    """Over classes: how much more recall the drawn units keep, and take away, than others.

    Returns:
        `keep_only` or `remove` -> which other units -> the gap; positive where the drawn count
        more.
    """
    return {
        "keep_only": {
            name: PairedGap.of([each.kept[DRAWN] - each.kept[name] for each in found])
            for name in (RANDOM, ACTIVE)
        },
        "remove": {
            name: PairedGap.of([each.removed[name] - each.removed[DRAWN] for each in found])
            for name in (RANDOM, ACTIVE)
        },
    }


def faithfulness_sentence(found: Faithfulness, name: str, units: int) -> str:
    """`these 96 of 4,746 neurons alone keep 83% of the cats; ...`."""
    return (
        f"these {found.units} of {units:,} neurons alone keep {100 * found.kept[DRAWN]:.0f}% of "
        f"the images of {name} ({100 * found.whole.share:.0f}% with all, n = {found.whole.n}); as "
        f"many random ones {100 * found.kept[RANDOM]:.0f}%, the most active "
        f"{100 * found.kept[ACTIVE]:.0f}%. Without them {100 * found.removed[DRAWN]:.0f}% are "
        f"left, without as many random ones {100 * found.removed[RANDOM]:.0f}%, without the most "
        f"active {100 * found.removed[ACTIVE]:.0f}%"
    )


def gaps_sentence(gaps: Mapping[str, Mapping[str, PairedGap]]) -> str:
    """How much more recall the drawn units keep and take away, and whether that is clear."""
    told = []
    for what, verb in (("remove", "takes away"), ("keep_only", "keeps")):
        for name in (RANDOM, ACTIVE):
            gap = gaps[what][name]
            low, high = gap.ci95
            told.append(
                f"{'removing' if what == 'remove' else 'keeping only'} the drawn units {verb} "
                f"{100 * gap.mean:+.1f} points of recall against as many {name} ones (95% interval "
                f"{100 * low:+.1f} to {100 * high:+.1f}, {gap.n} classes)"
                + ("" if gap.clear else ", which is not clearly more")
            )
    return "\n".join(told)


@contextmanager
def held_at_means(
    model: nn.Module, held: Mapping[str, NDArray[np.bool_]], means: Means
) -> Iterator[None]:
    """Put units' means in the place of their activations, at every position, in this block.

    Args:
        model: other threads may use it meanwhile and notice nothing.
        held: layer -> bool (units,).
        means: layer -> (units,).
    """

    def hold(name: str, output: Tensor) -> Tensor:
        shape = (1, -1, *[1] * (output.ndim - 2))
        where = torch.from_numpy(held[name]).to(output.device).view(shape)
        values = torch.from_numpy(np.asarray(means[name], np.float32)).to(output.device)
        return torch.where(where, values.to(output.dtype).view(shape), output)

    with on_layers(model, tuple(held), hold):
        yield


def _mask(units: int, chosen: Sequence[int]) -> NDArray[np.bool_]:
    mask = np.zeros(units, np.bool_)
    mask[list(chosen)] = True
    return mask
