"""What is known of an attack engine: its words for people, its limits and its search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ndcore.attacks.engines.search import Problem, Search


@dataclass(frozen=True)
class Engine:
    """One way to attack.

    Attributes:
        name: as typed on the command line and kept in results.
        title: as shown on pages.
        about: what it does, without a full stop; names of engines stand in backticks.
        search: proposes changes of few pixels; None for an engine that follows gradients and
            changes every pixel (`ndcore.attacks.gradient`), there to be compared with.
        needs: images of shape (H, W, C) and pixels to change -> queries until it has done all;
            not asked of one that keeps a map.
        enough: of a problem and the best confidence so far: whether it ends. It goes on after a
            hit until then, generation by generation; None ends at the first hit.
        keeps_map: it asks for the whole grid, and goes on after a hit to complete that map.
        is_followed: another engine can go on where it finds nothing.
        follows: it can go on where another found nothing.
        targeted: it can be told which class to reach.
        bounded: no value changes by more than `epsilon`.
        evades: it tries to escape a detector; for studies, no choice on pages.
    """

    name: str
    title: str
    about: str
    search: Callable[[Problem, np.random.Generator], Search] | None = None
    needs: Callable[[Sequence[int], int], int] = lambda shape, pixels: 0
    enough: Callable[[Problem, float], bool] | None = None
    keeps_map: bool = False
    is_followed: bool = False
    follows: bool = False
    targeted: bool = True
    bounded: bool = False
    evades: bool = False
