"""One-pixel attack by differential evolution as published, with two rules when to end.

Population 400; every child is x_r1 + F (x_r2 - x_r3) with F = 0.5 and no crossover, and takes its
parent's place if it is fitter; at most 100 generations. First candidates: coordinates uniform,
colours normal with mean 128 and deviation 127. Fitness is the probability of the true class
(smaller is better) or, with a target, of the target (larger is better).

`de` ends at the first candidate that is adversarial, in the middle of a generation. `de-paper`
ends as published, after a whole generation: with the true class below 5% (the paper's rule for
attacks without a target) or the target above 90% (its rule for CIFAR-10 with one). It asks what
`de` asks, and more.

Reference: Su, Vargas & Sakurai 2019, "One pixel attack for fooling deep neural networks",
IEEE Transactions on Evolutionary Computation (arXiv 1710.08864).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ndcore.attacks.engines.engine import Engine
from ndcore.attacks.engines.search import Candidates, Problem, Search

POPULATION = 400
GENERATIONS = 100
SCALE = 0.5
TRUE_BELOW, TARGET_ABOVE = 0.05, 0.9


def differential_evolution(problem: Problem, rng: np.random.Generator) -> Search:
    """Propose generation after generation.

    Args:
        problem: what to attack.
        rng: source of every random number.
    """
    height, width, channels = problem.image.shape
    size = np.array([height, width])
    sign = 1 if problem.target is None else -1

    def candidates(genes: NDArray[np.float64], generation: int) -> Candidates:
        parts = genes.reshape(len(genes), problem.pixels, 2 + channels)
        positions = np.clip(np.floor(parts[..., :2]), 0, size - 1).astype(np.int64)
        colours = np.clip(np.rint(parts[..., 2:]), 0, 255).astype(np.uint8)
        stage = f"generation {generation} of at most {GENERATIONS}"
        return Candidates(positions, colours, stage, problem.image)

    population = _first_population(rng, height, width, channels, problem.pixels)
    fitness = sign * problem.confidence((yield candidates(population, 0)))
    for generation in range(1, GENERATIONS + 1):
        children = _children(rng, population)
        found = sign * problem.confidence((yield candidates(children, generation)))
        better = found < fitness
        population[better], fitness[better] = children[better], found[better]


def _first_population(
    rng: np.random.Generator, height: int, width: int, channels: int, pixels: int
) -> NDArray[np.float64]:
    genes = np.empty((POPULATION, pixels, 2 + channels))
    genes[..., 0] = rng.uniform(0, height, (POPULATION, pixels))
    genes[..., 1] = rng.uniform(0, width, (POPULATION, pixels))
    genes[..., 2:] = rng.normal(128, 127, (POPULATION, pixels, channels))
    return genes.reshape(POPULATION, -1)


def _children(rng: np.random.Generator, population: NDArray[np.float64]) -> NDArray[np.float64]:
    """x_r1 + F (x_r2 - x_r3), three different members per child, none of them its parent."""
    count = len(population)
    picks = rng.random((count, count - 1)).argpartition(2, axis=1)[:, :3]
    picks += picks >= np.arange(count)[:, None]
    first, second, third = (population[picks[:, i]] for i in range(3))
    return np.asarray(first + SCALE * (second - third))


DE = Engine(
    "de",
    "Differential evolution",
    "Differential evolution as in Su, Vargas & Sakurai 2019 (400 candidates, at most 100 "
    "generations), but ended by the first flip",
    differential_evolution,
    lambda shape, pixels: POPULATION * (1 + GENERATIONS),
    follows=True,
)

DE_PAPER = replace(
    DE,
    name="de-paper",
    title="Differential evolution, published stop",
    about="The search of `de` with the stop of Su, Vargas & Sakurai 2019: goes on after a flip, "
    "generation by generation, until the true class is below 5% or the target above 90%",
    enough=lambda problem, best: (
        best < TRUE_BELOW if problem.target is None else best > TARGET_ABOVE
    ),
    follows=False,
)
