"""One-pixel attack by differential evolution, step by step as published.

Population 400; every child is x_r1 + F (x_r2 - x_r3) with F = 0.5 and no crossover, and takes its
parent's place if it is fitter; at most 100 generations. First candidates: coordinates uniform,
colours normal with mean 128 and deviation 127. Fitness is the probability of the true class
(smaller is better) or, with a target, of the target (larger is better). The search ends early at
the first candidate that is adversarial.

Reference: Su, Vargas & Sakurai 2019, "One pixel attack for fooling deep neural networks",
IEEE Transactions on Evolutionary Computation (arXiv 1710.08864).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from ndcore.attacks.evaluator import Evaluator

__all__ = ["GENERATIONS", "POPULATION", "Search", "differential_evolution"]

POPULATION = 400
GENERATIONS = 100
SCALE = 0.5


@dataclass
class Search:
    """State of one search.

    Attributes:
        positions, colours: the most adversarial candidate seen, int (k, 2) and uint8 (k, C).
        margin: its logit margin; negative means adversarial.
        hit: whether it is adversarial.
        generation: generations done after the first population.
        history: (queries, best fitness) after each generation.
    """

    positions: NDArray[np.int64]
    colours: NDArray[np.uint8]
    margin: float = np.inf
    hit: bool = False
    generation: int = 0
    history: tuple[tuple[int, float], ...] = ()


def differential_evolution(
    evaluator: Evaluator,
    true: int,
    target: int | None,
    pixels: int,
    rng: np.random.Generator,
    on_generation: Callable[[Search, NDArray[np.int64]], None] | None = None,
    is_adversarial: Callable[[NDArray[np.int64], NDArray[np.uint8]], bool] | None = None,
) -> Search:
    """Search until a hit, the end of the generations or of the query budget.

    Args:
        evaluator: of the benign image.
        true: its label.
        target: class to reach, or None.
        pixels: number of pixels k.
        rng: source of every random number.
        on_generation: called with the search and the candidates' first positions (P, 2).
        is_adversarial: last word on a hit (positions (k, 2), colours (k, C)); a candidate that
            it rejects does not end the search.
    """
    height, width, channels = evaluator.pixels.shape
    size = np.array([height, width])
    blank = np.zeros((pixels, 2), np.int64), np.zeros((pixels, channels), np.uint8)
    search = Search(*blank)

    def decode(genes: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        parts = genes.reshape(len(genes), pixels, 2 + channels)
        positions = np.clip(np.floor(parts[..., :2]), 0, size - 1).astype(np.int64)
        return positions, np.clip(np.rint(parts[..., 2:]), 0, 255).astype(np.uint8)

    def fitness_of(genes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Smaller is better; candidates that the budget or a hit cut off stay at infinity."""
        positions, colours = decode(genes)
        fitness = np.full(len(genes), np.inf)
        for part, logits in evaluator.batches(positions, colours):
            probabilities = softmax(logits.astype(np.float64), axis=1)
            fitness[part] = probabilities[:, true] if target is None else -probabilities[:, target]
            margins = _margins(logits, true, target)
            # Hits in order of how clear they are; the first that holds ends the search.
            for index in np.argsort(margins, kind="stable"):
                here = positions[part][index], colours[part][index]
                if margins[index] < 0 and (is_adversarial is None or is_adversarial(*here)):
                    search.positions, search.colours = here
                    search.margin, search.hit = float(margins[index]), True
                    return fitness
                if margins[index] < search.margin and margins[index] >= 0:
                    search.positions, search.colours = here
                    search.margin = float(margins[index])
                if margins[index] >= 0:
                    break
        return fitness

    def record(fitness: NDArray[np.float64]) -> None:
        best = float(np.min(fitness)) if np.isfinite(fitness).any() else np.nan
        value = best if target is None else -best
        search.history = (*search.history, (evaluator.queries, value))
        if on_generation:
            on_generation(search, decode(population)[0][:, 0])

    population = _first_population(rng, height, width, channels, pixels)
    fitness = fitness_of(population)
    record(fitness)
    while not search.hit and not evaluator.exhausted and search.generation < GENERATIONS:
        children = _children(rng, population)
        child_fitness = fitness_of(children)
        better = child_fitness < fitness
        population[better], fitness[better] = children[better], child_fitness[better]
        search.generation += 1
        record(fitness)
    return search


def _margins(logits: NDArray[np.float32], true: int, target: int | None) -> NDArray[np.float32]:
    """Logit of the class that must lose minus that of the class that must win, (P,)."""
    rest = logits.copy()
    wins = target if target is not None else true
    rest[:, wins] = -np.inf
    margin = logits[:, wins] - rest.max(1)
    return np.asarray(-margin if target is not None else margin, np.float32)


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
