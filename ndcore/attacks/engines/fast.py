"""Best-first search over corner colours: few queries for nearly all that the full grid finds.

It looks at black and white on a coarse lattice of pixels, roughly from the centre outwards, and
all the while at the unseen neighbours of the most promising point so far: the eight pixels around
it in its colour, and its own pixel with one colour channel flipped. A neighbourhood search as in
Narodytska & Kasiviswanathan 2017 ("Simple black-box adversarial attacks on deep neural networks")
over the corners of the colour cube, as in Croce & Hein 2019 ("Sparse and imperceivable
adversarial attacks").

With several pixels each is searched for in turn, the pixels before being kept at the best point
found; a search with fewer pixels is the beginning of one with more, so more never find less.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator

import numpy as np
from numpy.typing import NDArray

from ndcore.attacks.engines.engine import Engine
from ndcore.attacks.engines.search import Candidates, Problem, Search, corner_colours
from ndcore.data.pixels import paint

STAGE_QUERIES = 800  # per pixel
LATTICE = 8  # lattice points along each side
CHUNK = 32
LATTICE_SHARE = 0.25  # of each chunk after the first, while the lattice lasts
JITTER = 0.3  # of the image's side: how far the order of the lattice is shuffled

Point = tuple[int, int, int]  # row, col, colour index
# Image to change and points -> colours uint8 (P, 1, C); bit c of an index picks the higher value.
Palette = Callable[[NDArray[np.uint8], list[Point]], NDArray[np.uint8]]
# Image to change and source of random numbers -> points.
First = Callable[[NDArray[np.uint8], np.random.Generator], list[Point]]


def _corners(base: NDArray[np.uint8], points: list[Point]) -> NDArray[np.uint8]:
    return corner_colours(base.shape[2])[[colour for _, _, colour in points]][:, None]


def _lattice(base: NDArray[np.uint8], rng: np.random.Generator) -> list[Point]:
    """Black and white at lattice points with a random offset, roughly from the centre outwards."""
    height, width, channels = base.shape
    strides = max(1, height // LATTICE), max(1, width // LATTICE)
    offsets = [int(rng.integers(stride)) for stride in strides]
    points = [
        (row, col, colour)
        for row in range(offsets[0], height, strides[0])
        for col in range(offsets[1], width, strides[1])
        for colour in (0, 2**channels - 1)
    ]
    at = np.array([point[:2] for point in points])
    far = (((at - (np.array([height, width]) - 1) / 2) / (height, width)) ** 2).sum(1)
    return [points[i] for i in np.argsort(far + JITTER**2 * rng.random(len(points)))]


def best_first(
    problem: Problem,
    rng: np.random.Generator,
    palette: Palette = _corners,
    first: First = _lattice,
) -> Search:
    """Propose the neighbours of the best points, at most `STAGE_QUERIES` candidates per pixel.

    Args:
        problem: what to attack.
        rng: source of every random number.
        palette: the colours that points stand for.
        first: points to look at whatever the answers are, in this order.
    """
    base = problem.image
    for depth in range(1, problem.pixels + 1):
        of = f", pixel {depth} of {problem.pixels}" if problem.pixels > 1 else ""
        best = yield from _one_pixel(problem, base, first(base, rng), of, palette)
        base = paint(base, np.array([[best[:2]]]), palette(base, [best]))[0]


def _one_pixel(
    problem: Problem,
    base: NDArray[np.uint8],
    lattice: list[Point],
    of: str,
    palette: Palette,
) -> Generator[Candidates, NDArray[np.float32], Point]:
    seen = set(lattice)
    # (margin, order of asking, point): equal margins are taken in the order they were asked.
    frontier: list[tuple[float, int, Point]] = []
    near: list[Point] = []
    asked = 0
    best, lowest = lattice[0], np.inf
    while asked < STAGE_QUERIES:
        count = min(CHUNK, STAGE_QUERIES - asked)
        share = int(count * LATTICE_SHARE) if asked else count
        points, lattice = lattice[:share], lattice[share:]
        while len(near) < count - len(points) and frontier:
            _, _, point = heapq.heappop(frontier)
            new = [other for other in _neighbours(point, base.shape) if other not in seen]
            seen.update(new)
            near += new
        points, near = points + near[: count - len(points)], near[count - len(points) :]
        points, lattice = points + lattice[: count - len(points)], lattice[count - len(points) :]
        if not points:
            break
        positions = np.array([point[:2] for point in points])[:, None]
        stage = f"best-first, {asked} points seen{of}"
        logits = yield Candidates(positions, palette(base, points), stage, base)
        for point, margin in zip(points, problem.margins(logits).tolist(), strict=True):
            heapq.heappush(frontier, (margin, asked, point))
            asked += 1
            if margin < lowest:
                best, lowest = point, margin
    return best


def _neighbours(point: Point, shape: tuple[int, ...]) -> list[Point]:
    row, col, colour = point
    height, width, channels = shape
    found = [(row, col, colour ^ (1 << channel)) for channel in range(channels)]
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            at = row + down, col + right
            if (down or right) and 0 <= at[0] < height and 0 <= at[1] < width:
                found.append((*at, colour))
    return found


FAST = Engine(
    "fast",
    "Fast search",
    "Best-first search over corner colours: few queries, finds nearly all that `exhaustive` finds",
    best_first,
    lambda shape, pixels: STAGE_QUERIES * pixels,
    is_followed=True,
)
