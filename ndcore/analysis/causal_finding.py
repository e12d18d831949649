"""What a causal test found: labels after each clamp, random units beside them, the price, words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.statistics.intervals import Rate


@dataclass(frozen=True)
class ClampStep:
    """What clamping one set of units does.

    Attributes:
        layer: whose units are all clamped; "" for the units that diverge most, of any layer.
        units: how many are clamped.
        probabilities: float32 (classes,) of the image afterwards.
        random: float32 (draws, classes), the same for as many random units of the same layers;
            no draws for a whole layer.
        right: benign images classified rightly with these units clamped.
    """

    layer: str
    units: int
    probabilities: NDArray[np.float32]
    random: NDArray[np.float32]
    right: int

    @property
    def label(self) -> int:
        """Predicted class afterwards."""
        return int(self.probabilities.argmax())


@dataclass(frozen=True)
class CausalTest:
    """What clamping does to one image, and what it costs on benign ones.

    Attributes:
        predicted: class before; probabilities: float32 (classes,) before.
        wanted: class that should come back, or None when it is unknown.
        steps: the 1, 2, 5, ... units that diverge most, then each layer as a whole.
        images: benign images of the price; right: of these right without any clamp.
        seed: of the random units.
    """

    predicted: int
    probabilities: NDArray[np.float32]
    wanted: int | None
    steps: tuple[ClampStep, ...]
    images: int
    right: int
    seed: int

    @property
    def tops(self) -> tuple[ClampStep, ...]:
        """The units that diverge most, ever more of them."""
        return tuple(step for step in self.steps if not step.layer)

    @property
    def layers(self) -> tuple[ClampStep, ...]:
        """Whole layers, in the order of the model."""
        return tuple(step for step in self.steps if step.layer)

    def hit(self, label: int) -> bool:
        """Whether this is the wanted class; where none is known, any but the predicted one."""
        return label != self.predicted if self.wanted is None else label == self.wanted

    def random_hits(self, step: ClampStep) -> int:
        """In how many random draws the label comes back as well."""
        return sum(self.hit(label) for label in step.random.argmax(1).tolist())

    def accuracy(self, right: int) -> Rate:
        """Share of the benign images; undefined without images."""
        return Rate(right, self.images)

    def _clean(self, right: int) -> dict[str, Any] | None:
        return self.accuracy(right).to_dict("accuracy") if self.images else None

    def to_dict(self, classes: Sequence[str]) -> dict[str, Any]:
        """As JSON: names instead of class positions."""
        return {
            "predicted": classes[self.predicted],
            "wanted": None if self.wanted is None else classes[self.wanted],
            "probabilities": self.probabilities.tolist(),
            "clean": self._clean(self.right),
            "seed": self.seed,
            "steps": [
                {
                    "layer": step.layer or None,
                    "units": step.units,
                    "label": classes[step.label],
                    "probabilities": step.probabilities.tolist(),
                    "returned": self.hit(step.label),
                    "random_draws": len(step.random),
                    "random_returned": self.random_hits(step),
                    "clean": self._clean(step.right),
                }
                for step in self.steps
            ],
        }


def causal_sentence(test: CausalTest, classes: Sequence[str]) -> str:
    """The finding in words, and plainly so where the label does not come back."""
    if not test.tops:
        return "No neuron but the outputs stands out, so there is nothing to clamp."
    before, most = classes[test.predicted], test.tops[-1].units
    first = next((step for step in test.tops if test.hit(step.label)), None)
    if first is None:
        others = sorted({step.label for step in test.tops} - {test.predicted})
        goal = "The label" if test.wanted is None else f"The label {classes[test.wanted]}"
        verb = "does not change" if test.wanted is None else "does not come back"
        kept = f"it stays {before}"
        if others:
            kept = f"it turns into {' and '.join(classes[label] for label in others)} instead"
        told = f"{goal} {verb}: with up to {most} of the most divergent neurons clamped {kept}."
        late = [step.layer for step in test.layers if test.hit(step.label)]
        if late:
            return f"{told} Clamping all of {_listed(late)} does it."
        return f"{told} Clamping any whole layer does not do it either."
    goal = f"turns into {classes[first.label]}"
    if test.wanted is not None:
        goal = f"comes back to {classes[first.label]}"
    again = [step for step in test.tops if step.units > first.units and not test.hit(step.label)]
    steady = ""
    if again:
        steady = f", though not with {_listed([str(step.units) for step in again])}"
    hits, draws = test.random_hits(first), len(first.random)
    told = (
        f"The label {goal} with {_neurons(first.units)} clamped{steady}. As many random neurons of "
        f"the same layers do so in {hits} of {draws} draws"
    )
    if 2 * hits >= draws:
        return f"{told}: these neurons are not special."
    return f"{told}."


def _neurons(count: int) -> str:
    return "the most divergent neuron" if count == 1 else f"the {count} most divergent neurons"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
