"""Whether the units that attacks exploit, held at their clean values, bring the label back.

From one half of the attacks the units are taken that count clearly more for the attacked images
than for the same images before; on the other half they are held, each at the value that it has on
the clean image (see `activations.hold`), and the other way round. So no image judges units that it
has chosen. Beside them as many random units of the same layers are held at theirs. The outputs take
no part: held at their clean values they say the clean label by construction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.activations.hold import Clamp, Masks, clamped, random_others, unit_masks
from ndcore.activations.observed import Observed
from ndcore.analysis.class_graphs import ClassGraphs
from ndcore.concept_graph.differing import exploited
from ndcore.concept_graph.drawing import USUAL, Rule
from ndcore.concept_graph.graph import INFLUENCE, DifferenceGraph, Unit
from ndcore.concept_graph.measured import Measured
from ndcore.errors import BadRequestError
from ndcore.networks.forward import forward, most_images
from ndcore.networks.stoppable import stoppable
from ndcore.statistics.intervals import Rate
from ndcore.statistics.resampling import mean_interval
from ndcore.steps import ShouldStop, in_parts

COUNTS = (1, 2, 5, 10, 20, 50)
DRAWS, SEED = 10, 0  # of random units
FEWEST = 4  # attacks


@dataclass(frozen=True)
class ReturnStep:
    """What becomes of the attacked images with some units held.

    Attributes:
        units: how many; where fewer are exploited, those.
        back: bool (n,), whether the label before the attack comes back.
        random: float (n,), in which share of the draws it does with as many random units.
    """

    units: int
    back: NDArray[np.bool_]
    random: NDArray[np.float64]

    @property
    def rate(self) -> Rate:
        """Of the attacked images those whose label comes back."""
        return Rate(int(self.back.sum()), len(self.back))

    @property
    def gap(self) -> tuple[float, tuple[float, float]]:
        """Mean over images of `back` less `random`, and its 95% interval."""
        gaps = self.back - self.random
        return float(gaps.mean()), mean_interval(gaps)

    def to_dict(self) -> dict[str, Any]:
        """`{units, back, random, gap, ci95}`."""
        mean, ends = self.gap
        return {
            "units": self.units,
            "back": self.rate.to_dict(),
            "random": float(self.random.mean()),
            "gap": mean,
            "ci95": list(ends),
        }


@dataclass(frozen=True)
class ReturnTest:
    """Attacks on one class that were taken for another.

    Attributes:
        label, target: classes before and after.
        images: how many.
        units: that each half of the attacks named, the most exploited first.
        steps: few units and many.
    """

    label: int
    target: int
    images: int
    units: tuple[tuple[Unit, ...], tuple[Unit, ...]]
    steps: tuple[ReturnStep, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON; classes by position."""
        return {
            "label": self.label,
            "target": self.target,
            "images": self.images,
            "draws": DRAWS,
            "units": [[unit.to_dict() for unit in half] for half in self.units],
            "steps": [step.to_dict() for step in self.steps],
        }


def attack_difference(
    graphs: ClassGraphs,
    name: str,
    pairs: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    target: int,
    kind: str = INFLUENCE,
    rule: Rule = USUAL,
) -> DifferenceGraph:
    """Attacked images less the same images before, both on the way to the new class.

    Args:
        graphs: of the bundle.
        name: of the class before.
        pairs: benign and attacked images, uint8 (n, H, W, C) each.
        target: class after.
        kind: importance by which units are compared.
        rule: by which each is drawn.
    """
    benign, attacked = (graphs.of_images(pixels, target) for pixels in pairs)
    return attack_change(graphs, name, (benign, attacked), kind, rule)


def attack_change(
    graphs: ClassGraphs,
    name: str,
    found: tuple[Measured, Measured],
    kind: str = INFLUENCE,
    rule: Rule = USUAL,
) -> DifferenceGraph:
    """The same of what the benign and the attacked images say; see `attack_difference`."""
    benign, attacked = found
    return graphs.compared(
        (f"attacked images of {name}", attacked),
        (f"the same images of {name} before", benign),
        kind,
        rule,
    )


NameUnits = Callable[[NDArray[np.uint8], NDArray[np.uint8]], Sequence[Unit]]


def by_difference(graphs: ClassGraphs, name: str, target: int, kind: str = INFLUENCE) -> NameUnits:
    """Names what attacks exploit by the difference of graphs, see `attack_difference`."""

    def named(benign: NDArray[np.uint8], attacked: NDArray[np.uint8]) -> Sequence[Unit]:
        every = Rule(most=COUNTS[-1])
        return exploited(attack_difference(graphs, name, (benign, attacked), target, kind, every))

    return named


def return_test(
    of: Observed,
    named: NameUnits,
    pairs: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    labels: tuple[int, int],
    *,
    on_pass: Callable[[int, int], None] | None = None,
    should_stop: ShouldStop = None,
) -> ReturnTest:
    """Hold what attacks exploit at its clean values, and as many random units.

    Args:
        of: model and distributions.
        named: given benign and attacked images, what the attacks exploit, the most first.
        pairs: benign and attacked images, uint8 (n, H, W, C) each.
        labels: classes before and after.
        on_pass: called with settings done and in all.
        should_stop: asked before every function of torch.

    Raises:
        BadRequestError: there are fewer than `FEWEST` attacks.
        StoppedError: `should_stop` said so.
    """
    count = len(pairs[0])
    if count < FEWEST:
        raise BadRequestError(f"{count} stored attacks are too few: at least {FEWEST} are needed")
    rng = np.random.default_rng(SEED)
    back = np.zeros((len(COUNTS), 1 + DRAWS, count), np.bool_)
    halves = []
    done, total = 0, 2 * len(COUNTS) * (1 + DRAWS)
    sizes = {layer: of.usual(layer).units for layer in of.layers}
    with stoppable(should_stop):
        for half in range(2):
            other, own = np.arange(1 - half, count, 2), np.arange(half, count, 2)
            units = _inner(of, named(pairs[0][other], pairs[1][other]))
            halves.append(tuple(units[: COUNTS[-1]]))
            clean = _clean_values(of, pairs[0][own])
            for row, most in enumerate(COUNTS):
                masks = unit_masks(units[:most], sizes)
                for draw in range(1 + DRAWS):
                    held = random_others(masks, rng) if draw else masks
                    answers = _answers(of, pairs[1][own], held, clean)
                    back[row, draw, own] = answers == labels[0]
                    done += 1
                    if on_pass:
                        on_pass(done, total)
    most = max(map(len, halves))
    kept = [row for row in range(len(COUNTS)) if not row or COUNTS[row - 1] < most]
    steps = [ReturnStep(min(most, COUNTS[at]), back[at, 0], back[at, 1:].mean(0)) for at in kept]
    return ReturnTest(*labels, count, (halves[0], halves[1]), tuple(steps))


def _inner(of: Observed, units: Sequence[Unit]) -> list[Unit]:
    """Those that are no outputs."""
    last = of.layers[-1]
    outputs = of.usual(last).units == len(of.classes)
    return [unit for unit in units if not (outputs and unit.layer == last)]


def _clean_values(of: Observed, benign: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Layer -> (n, units)."""
    parts = [of.read(benign[part]) for part in _batches(benign)]
    return {
        layer: np.concatenate([each.values(layer, of.judged_by(layer)) for each in parts])
        for layer in of.layers
    }


def _answers(
    of: Observed,
    attacked: NDArray[np.uint8],
    masks: Masks,
    clean: Mapping[str, NDArray[np.float32]],
) -> NDArray[np.int64]:
    """What each attacked image is taken for with units held at its own clean values."""
    found = []
    for part in _batches(attacked):
        clamps = {
            layer: Clamp(mask[None], clean[layer][part], of.judged_by(layer))
            for layer, mask in masks.items()
        }
        with clamped(of.model, clamps):
            found.append(forward(of.model, attacked[part]).argmax(1).cpu().numpy())
    return np.concatenate(found)


def _batches(pixels: NDArray[np.uint8]) -> list[slice]:
    return list(in_parts(len(pixels), most_images(pixels.shape[1:])))


def return_sentence(test: ReturnTest, names: Sequence[str]) -> str:
    """How often the label comes back, beside random units, line by line."""
    before, after = names[test.label], names[test.target]
    lines = [
        f"{test.images} attacks that turned {before} into {after}; neurons that one half of them "
        f"exploits ({len(test.units[0])} and {len(test.units[1])}), held at their clean values in "
        "the other half:"
    ]
    for step in test.steps:
        mean, (low, high) = step.gap
        lines.append(
            f"{step.units} held: {before} comes back on {step.rate.text} of them, with as many "
            f"random ones of the same layers on {100 * step.random.mean():.1f}% ({DRAWS} draws): "
            f"{100 * mean:+.1f} points (95% interval {100 * low:+.1f} to {100 * high:+.1f})"
            + ("" if low > 0 else ", which is not clearly more")
        )
    return "\n".join(lines)
