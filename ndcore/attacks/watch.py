"""Who looks on while images are attacked: is told of progress and results, and may stop it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ndcore.attacks.result import AttackProgress, AttackResult
from ndcore.steps import ShouldStop, is_stopped


class Underway(Protocol):
    """An image that is being attacked.

    Attributes:
        index, id: which.
        queries, budget: model calls for it so far and at most.
    """

    index: int
    id: str
    queries: int
    budget: int

    def look(self) -> dict[str, Any]:
        """`stage`, `best_confidence`, `history`, `candidates`, `lowest`; see `AttackProgress`."""


class Watch:
    """Keeps the results and tells of them.

    Attributes:
        images: how many there are.
        results: index of the image -> what came of it.
        should_stop: whether to stop.

    Args:
        images: as above.
        on_progress, on_result, should_stop: see `ndcore.attacks.attack_images`.
    """

    def __init__(
        self,
        images: int,
        on_progress: Callable[[AttackProgress], None] | None,
        on_result: Callable[[int, AttackResult], None] | None,
        should_stop: ShouldStop,
    ) -> None:
        self.results: dict[int, AttackResult] = {}
        self.should_stop = should_stop
        self.images = images
        self._on_progress, self._on_result = on_progress, on_result

    @property
    def stopped(self) -> bool:
        """Somebody asks to stop."""
        return is_stopped(self.should_stop)

    @property
    def in_order(self) -> list[AttackResult]:
        """The results, in the order of the images."""
        return [self.results[index] for index in sorted(self.results)]

    def ended(self, index: int, result: AttackResult) -> None:
        """An image is done with."""
        self.results[index] = result
        if self._on_result:
            self._on_result(index, result)

    def look(self, active: Sequence[Underway]) -> None:
        """Tell of the images being attacked, at least one; the first of them is shown."""
        if self._on_progress is None:
            return
        shown = min(active, key=lambda one: one.index)
        finished = self.results.values()
        self._on_progress(
            AttackProgress(
                images=self.images,
                done=len(finished),
                succeeded=sum(result.success for result in finished),
                total_queries=sum(result.queries for result in finished)
                + sum(one.queries for one in active),
                index=shown.index,
                id=shown.id,
                queries=shown.queries,
                max_queries=shown.budget,
                active=tuple((one.index, one.queries / max(1, one.budget)) for one in active),
                **shown.look(),
            )
        )
