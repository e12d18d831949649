"""Attackers who know the detector: the same one-pixel search, made to go unnoticed.

`least_divergent` keeps many flips and submits the one that the detector
minds least. `stealthy_de` is differential evolution whose fitness also counts divergence.
`decoy` changes two pixels, each of which flips the label alone, so that repairing either leaves
the other at work. `at_places` searches a few pixels alone, such as the holes of a certificate.

What a one-pixel attacker can know of the repair score without running it: repairing the changed
pixel gives the same image whatever colour was put there, so one table of repaired logits
(`RepairTable`) tells for every candidate how far its own repair would drop.

Reference:
    Tramer et al. 2020, "On adaptive attacks to adversarial example defenses": a defence is to be
    judged by attacks made against it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ndcore.attacks.engines.de import differential_evolution
from ndcore.attacks.engines.fast import best_first
from ndcore.attacks.engines.search import Candidates, Problem, Search
from ndcore.data.neighbours import median_of_neighbours
from ndcore.data.pixels import paint
from ndcore.networks.evaluator import Evaluator
from ndcore.statistics.log_odds import log_odds

CHUNK = 64
SHORTLIST = 64  # flips with the smallest margins that a decoy is made of
WEIGHED = 256  # pairs that an attacker who chooses among decoys asks the model about

# Images uint8 (P, H, W, C) and the pixels (P, k, 2) that were changed -> (P,), larger = more
# suspicious.
Judge = Callable[[NDArray[np.uint8], NDArray[np.int64]], NDArray[np.floating]]
# Candidates and their logits (P, classes) -> (P,), larger = more suspicious, 0 = not at all.
Suspicion = Callable[[Candidates, NDArray[np.float32]], NDArray[np.floating]]


@dataclass(frozen=True)
class Flips:
    """Changes of one image that give it another label, in float32.

    Attributes:
        positions: int64 (F, 1, 2); colours: uint8 (F, 1, C).
        logits: float32 (F, classes).
        queries: candidates sent through the model; first_hit: how many until the first flip.
    """

    positions: NDArray[np.int64]
    colours: NDArray[np.uint8]
    logits: NDArray[np.float32]
    queries: int
    first_hit: int | None

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True)
class Hidden:
    """The attack that an attacker who knows the detector submits.

    Attributes:
        attacked: uint8 (H, W, C), or None where nothing flips.
        queries: images sent through the model in search of flips.
        judged: images shown to the detector.
        score: what the detector said of the submitted image; NaN where nothing flips.
        positions: int64 (k, 2), row and col of the changed pixels.
    """

    attacked: NDArray[np.uint8] | None
    queries: int
    judged: int
    score: float
    positions: NDArray[np.int64] | None = None

    @property
    def success(self) -> bool:
        """Something flips."""
        return self.attacked is not None


def all_flips(
    evaluator: Evaluator,
    image: NDArray[np.uint8],
    label: int,
    image_id: str,
    search: Callable[[Problem, np.random.Generator], Search] = best_first,
    *,
    max_queries: int = 800,
    enough: int | None = None,
    seed: int = 0,
) -> Flips:
    """Run a search and keep every change that flips the label, not the first alone.

    Candidates are screened in the evaluator's precision; what may flip is computed in float32.

    Args:
        evaluator: of the model.
        image: uint8 (H, W, C), classified as `label`.
        label: true class.
        image_id: the search's stream of random numbers is made of it and the seed.
        search: of an engine.
        max_queries: candidates, at most.
        enough: stop at so many flips; None for as many as there are.
        seed: of the search.
    """
    problem = Problem(image, label, None, 1, evaluator.order)
    rng = np.random.default_rng([seed, zlib.crc32(image_id.encode())])
    asked, queries, first = 0, 0, None
    positions: list[NDArray[np.int64]] = []
    colours: list[NDArray[np.uint8]] = []
    found: list[NDArray[np.float32]] = []
    steps = search(problem, rng)
    question: Candidates | None = next(steps, None)
    while question is not None and queries < max_queries:
        count = min(len(question.positions), max_queries - queries)
        at, new = question.positions[:count], question.colours[:count]
        logits = np.concatenate(
            [
                evaluator.evaluate(question.base, at[k : k + CHUNK], new[k : k + CHUNK])
                for k in range(0, count, CHUNK)
            ]
        )
        near = np.flatnonzero(problem.margins(logits) <= evaluator.band)
        if len(near):
            logits[near] = evaluator.confirm(question.base, at[near], new[near])
            flips = near[problem.flips(logits[near])]
            if len(flips):
                first = queries + int(flips[0]) + 1 if first is None else first
                positions.append(at[flips])
                colours.append(new[flips])
                found.append(logits[flips])
                asked += len(flips)
        queries += count
        if (enough is not None and asked >= enough) or count < len(question.positions):
            break
        try:
            question = steps.send(logits)
        except StopIteration:
            question = None
    channels = image.shape[2]
    if not found:
        nothing = np.zeros((0, 1, 2), np.int64), np.zeros((0, 1, channels), np.uint8)
        return Flips(*nothing, np.zeros((0, 0), np.float32), queries, None)
    return Flips(
        np.concatenate(positions), np.concatenate(colours), np.concatenate(found), queries, first
    )


class RepairTable:
    """What repairing the changed pixel gives back, for any one-pixel change of one image.

    The repaired colour depends on the neighbours alone, so one pass over all positions knows it.

    Args:
        evaluator: of the model.
        image: uint8 (H, W, C).
    """

    def __init__(self, evaluator: Evaluator, image: NDArray[np.uint8]) -> None:
        height, width = image.shape[:2]
        everywhere = np.stack(np.meshgrid(range(height), range(width), indexing="ij"), -1)
        places = everywhere.reshape(-1, 2)
        places = places[evaluator.order(places)]
        rows, cols = places.T
        colours = median_of_neighbours(image[None])[0][rows, cols]
        logits = evaluator.evaluate(image, places[:, None], colours[:, None])
        self._logits = np.empty((height, width, logits.shape[1]), np.float32)
        self._logits[rows, cols] = logits
        self.queries = len(places)

    def own_drop(
        self, positions: NDArray[np.int64], logits: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """How far repairing the changed pixel lowers the log-odds of the class predicted, (P,).

        Args:
            positions: (P, 1, 2).
            logits: (P, classes) of the changed images.
        """
        repaired = self._logits[positions[:, 0, 0], positions[:, 0, 1]]
        labels = logits.argmax(1)
        return log_odds(logits, labels) - log_odds(repaired, labels)

    def own_turn(
        self, positions: NDArray[np.int64], logits: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """The same less half of the log-odds: never above the score `repair-turn`, (P,)."""
        return self.own_drop(positions, logits) - log_odds(logits, logits.argmax(1)) / 2


def least_divergent(
    evaluator: Evaluator,
    image: NDArray[np.uint8],
    label: int,
    flips: Flips,
    judge: Judge,
    table: RepairTable,
    tries: int = 8,
) -> Hidden:
    """Show the detector `tries` of N flips and submit the least suspicious.

    Shown are those whose own repair would turn the prediction least.
    """
    if not len(flips):
        return Hidden(None, flips.queries, 0, float("nan"))
    order = np.argsort(table.own_turn(flips.positions, flips.logits), kind="stable")[:tries]
    return _submit(
        evaluator, image, flips.positions[order], flips.colours[order], label, judge, flips
    )


def decoy(
    evaluator: Evaluator,
    image: NDArray[np.uint8],
    label: int,
    flips: Flips,
    judge: Judge,
    tries: int = 8,
    *,
    chosen: bool = False,
) -> Hidden:
    """Two pixels, each flipping alone: repairing the one leaves the other at work.

    Pairs are made of flips to the same class, as far apart in the image as they come.

    Args:
        evaluator: of the model.
        image: uint8 (H, W, C), classified as `label`.
        label: true class.
        flips: of one pixel.
        judge: what the detector says.
        tries: pairs that are shown to it.
        chosen: ask the model about many pairs and show those that the repair of either pixel turns
            least, every other one of them of colours that stand out least.
    """
    pairs = _pairs(evaluator, image, label, flips)
    queries = flips.queries
    if chosen and len(pairs):
        weighed = pairs[:WEIGHED]
        queries += len(weighed)
        pairs = _least_turned(evaluator, image, flips, weighed)
    pairs = pairs[:tries]
    if not len(pairs):
        return Hidden(None, queries, 0, float("nan"))
    positions, colours = flips.positions[pairs, 0], flips.colours[pairs, 0]
    found = replace(flips, queries=queries)
    return _submit(evaluator, image, positions, colours, label, judge, found)


def _pairs(
    evaluator: Evaluator, image: NDArray[np.uint8], label: int, flips: Flips
) -> NDArray[np.int64]:
    """Indices (P, 2) of flips to the same class, the farthest apart first."""
    if not len(flips):
        return np.zeros((0, 2), np.int64)
    problem = Problem(image, label, None, 2, evaluator.order)
    order = np.argsort(-problem.margins(flips.logits), kind="stable")[:SHORTLIST]
    at, classes = flips.positions[order, 0], flips.logits[order].argmax(1)
    first, second = np.triu_indices(len(order), 1)
    gap = np.abs(at[first] - at[second]).max(1)
    same = np.flatnonzero((classes[first] == classes[second]) & (gap > 0))
    same = same[np.argsort(-gap[same], kind="stable")]
    return np.stack([order[first[same]], order[second[same]]], 1)


def _least_turned(
    evaluator: Evaluator, image: NDArray[np.uint8], flips: Flips, pairs: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Pairs that keep their class, what a repair turns least first.

    Repairing one pixel of a pair leaves the other alone, whose logits are known.
    """
    positions, colours = flips.positions[pairs, 0], flips.colours[pairs, 0]
    logits = evaluator.evaluate(image, positions, colours)
    classes = flips.logits[pairs[:, 0]].argmax(1)
    alone = [log_odds(flips.logits[pairs[:, side]], classes) for side in (0, 1)]
    turned = log_odds(logits, classes) / 2 - np.minimum(*alone)
    turned = np.where(logits.argmax(1) == classes, turned, np.inf)
    usual = median_of_neighbours(image[None])[0][positions[..., 0], positions[..., 1]]
    gap = np.abs(colours.astype(int) - usual).max((1, 2))
    by_turn = np.argsort(turned, kind="stable")
    calm = by_turn[: max(2, len(by_turn) // 4)]
    by_colour = calm[np.argsort(gap[calm], kind="stable")]
    mixed = [*dict.fromkeys(np.stack([calm, by_colour], 1).ravel().tolist())]
    return pairs[[at for at in mixed if np.isfinite(turned[at])]]


def stealthy_de(suspicion: Suspicion) -> Callable[..., Search]:
    """Differential evolution with a divergence term: first flip, then hide.

    A candidate that does not flip is worse than any that does; among those that do not, the
    probability of the true class decides, among those that do, the suspicion.

    Args:
        suspicion: made for one image; asked for every candidate, so it should be cheap.

    Returns:
        A search for `all_flips`.
    """

    def search(problem: Problem, rng: np.random.Generator) -> Search:
        steps = differential_evolution(problem, rng)
        question = next(steps)
        while True:
            logits = yield question
            minded = np.maximum(np.asarray(suspicion(question, logits), np.float64), 0)
            minded = minded / (1 + minded)
            flips = problem.flips(logits)
            cost = np.where(flips, minded, 1 + problem.confidence(logits)) / 2
            try:
                question = steps.send(_as_logits(cost, problem.true, logits.shape[1]))
            except StopIteration:
                return

    return search


def at_places(places: NDArray[np.int64], colours: NDArray[np.uint8]) -> Callable[..., Search]:
    """Every colour (P, C) at every one of a few positions (S, 2): a search for `all_flips`."""

    def search(problem: Problem, _: np.random.Generator) -> Search:
        for place in places:
            at = np.broadcast_to(place, (len(colours), 1, 2)).astype(np.int64)
            yield Candidates(at, colours[:, None], "a few pixels", problem.image)

    return search


def _as_logits(cost: NDArray[np.float64], true: int, classes: int) -> NDArray[np.float32]:
    """Logits under which the true class has probability `cost`, all that the search looks at."""
    cost = np.clip(cost, 1e-6, 1 - 1e-6)
    found = np.full((len(cost), classes), -1e9)
    found[:, true] = np.log(cost)
    found[:, (true + 1) % classes] = np.log1p(-cost)
    return found.astype(np.float32)


def _submit(
    evaluator: Evaluator,
    image: NDArray[np.uint8],
    positions: NDArray[np.int64],
    colours: NDArray[np.uint8],
    label: int,
    judge: Judge,
    flips: Flips,
) -> Hidden:
    """The least suspicious of these changes that a plain float32 pass takes for another class."""
    images = paint(image, positions, colours)
    wins = np.array([evaluator.plain(one[None])[0].argmax() != label for one in images])
    images, positions = images[wins], positions[wins]
    queries = flips.queries + len(wins)
    if not len(images):
        return Hidden(None, queries, 0, float("nan"))
    scores = np.asarray(judge(images, positions), np.float64)
    best = int(scores.argmin())
    return Hidden(images[best], queries, len(images), float(scores[best]), positions[best])
