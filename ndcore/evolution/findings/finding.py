"""A claim of the paper, how it is decided, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ndcore.evolution.run import EvolutionRun

VERDICTS = ("held", "did not hold", "could not be tested")

Runs = Mapping[str, EvolutionRun]  # network -> its recording


class UntestableError(Exception):
    """The recordings lack what a finding needs; the message is a clause that says what."""


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Attributes:
        held: whether the rule holds.
        figures: behind it, ready for JSON; rates are shares.
        sentence: the figures in words.
    """

    held: bool
    figures: dict[str, Any]
    sentence: str


@dataclass(frozen=True)
class Finding:
    """A claim of the paper.

    Attributes:
        id: theme and letter, such as `DV-22a`.
        section: of the paper.
        claim: one plain sentence.
        networks: of Fig. 4 that it is about.
        statistic: the figure that decides.
        rule: when the claim held; otherwise it did not hold.
        check: the networks' recordings -> outcome; may raise `UntestableError`.
        any_of: one of the networks is enough, and those that are there decide.
    """

    id: str
    section: str
    claim: str
    networks: tuple[str, ...]
    statistic: str
    rule: str
    check: Callable[[Runs], Outcome]
    any_of: bool = False

    @property
    def theme(self) -> str:
        """The id without its letter, `DV-22`."""
        return self.id.rstrip("abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True)
class FindingResult:
    """What came of a claim.

    Attributes:
        finding: the claim.
        verdict: one of `VERDICTS`.
        figures: behind it, ready for JSON; empty where it could not be tested.
        sentence: the figures in words, or what is missing.
        recordings: network -> name of the run that was judged.
        missing: networks of the claim without a run that could be judged.
    """

    finding: Finding
    verdict: str
    figures: dict[str, Any]
    sentence: str
    recordings: dict[str, str]
    missing: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "id": self.finding.id,
            "section": self.finding.section,
            "claim": self.finding.claim,
            "networks": list(self.finding.networks),
            "statistic": self.finding.statistic,
            "rule": self.finding.rule,
            "verdict": self.verdict,
            "figures": self.figures,
            "sentence": self.sentence,
            "recordings": self.recordings,
            "missing": list(self.missing),
        }
