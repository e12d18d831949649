"""What `bench explorer` looks at, and the clicks it makes there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from ndcore.bundles.bundle import Bundle
from ndcore.errors import BadRequestError, NeuralDivergenceError

CLASSES = ("cat", "dog")
MARKED_EVERY = 8


@dataclass(frozen=True)
class Scene:
    """Two layers, two classes, a pair ("" where there is none) and marks, as in a link."""

    bundle: str
    layers: tuple[str, ...]
    classes: tuple[str, str]
    pair: str
    marks: str

    def link(self, **changes: str) -> str:
        """The query of a link that opens it."""
        query = {
            "bundle": self.bundle,
            "layers": ",".join(self.layers),
            "classes": ",".join(self.classes),
            "pair": self.pair,
            "marks": self.marks,
        }
        return urlencode({name: text for name, text in (query | changes).items() if text})


def choose_scene(bundle: Bundle) -> Scene:
    """Two of the widest layers, cat and dog where they exist, a pair of the gallery.

    Raises:
        BadRequestError: the bundle has fewer than three classes, so there is no other to click.
    """
    if len(bundle.classes) < 3:
        raise BadRequestError("bench explorer needs a bundle with at least 3 classes")
    widest = sorted(bundle.layers, key=bundle.units)[-2:]  # a stable sort: the last of the widest
    layers = tuple(name for name in bundle.layers if name in widest)
    known = set(CLASSES) <= set(bundle.classes)
    first, second = CLASSES if known else bundle.classes[:2]
    marked = ((name, range(0, bundle.units(name), MARKED_EVERY)) for name in layers)
    marks = ";".join(f"{name}:{','.join(map(str, units))}" for name, units in marked)
    return Scene(bundle.name, layers, (first, second), _pair(bundle), marks)


def _pair(bundle: Bundle) -> str:
    """Token of the first attack of the gallery whose image is on this machine, or ""."""
    for row in bundle.gallery:
        try:
            return row.look_up().token()
        except NeuralDivergenceError:
            continue
    return ""


def walk(classes: Sequence[str], start: tuple[str, str], steps: int) -> list[tuple[str, str]]:
    """Clicks that lead from pair to pair of classes: (class to add, class to take away).

    No pair comes twice while there are new ones, so that nothing is answered from a cache.
    """
    here, seen, clicks = set(start), {frozenset(start)}, []
    for _ in range(steps):
        ways = [(new, old) for old in sorted(here) for new in classes if new not in here]
        fresh = [(new, old) for new, old in ways if here - {old} | {new} not in seen]
        new, old = (fresh or ways)[0]
        here = here - {old} | {new}
        seen.add(frozenset(here))
        clicks.append((new, old))
    return clicks
