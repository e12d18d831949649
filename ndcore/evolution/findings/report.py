"""All recordings of this machine, judged: one document for the page and the command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ndcore.errors import RunError
from ndcore.evolution.findings.accuracy import FIGURE_4, accuracy_table, train_command
from ndcore.evolution.findings.check import NOT_RECORDED, check_findings, judgeable
from ndcore.evolution.findings.finding import VERDICTS
from ndcore.evolution.recording.recordings import list_runs, load_run
from ndcore.evolution.run import EvolutionRun

HOW_FIXED = (
    "Statistics and rules were fixed before a run was looked at; that of DV-24c was replaced, as "
    "the first could not tell networks that overfit from others."
)
NOT_NAMED = "not among the runs that were named"


def findings_document(
    runs: Mapping[str, EvolutionRun], absent: str = NOT_RECORDED, elsewhere: Collection[str] = ()
) -> dict[str, Any]:
    """Accuracies, claims with their verdicts, and how to record what is missing; ready for JSON.

    Args:
        runs: name -> recording.
        absent: what to say of a network without one.
        elsewhere: networks that need no recording: there is one that is left out of `runs`.
    """
    results = [result.to_dict() for result in check_findings(runs, absent=absent)]
    counted = Counter(result["verdict"] for result in results)
    missing = {network for result in results for network in result["missing"]} - {*elsewhere}
    return {
        "accuracy": [row.to_dict() for row in accuracy_table(runs)],
        "findings": results,
        "summary": {verdict: counted[verdict] for verdict in VERDICTS},
        "absent": absent,
        "missing": [
            {"network": network, "command": train_command(network)}
            for network in FIGURE_4
            if network in missing
        ],
    }


def findings_of(places: Sequence[str] = ()) -> dict[str, Any]:
    """`findings_document` of recordings on disk, with `unread` for those that cannot be opened.

    Args:
        places: names or folders of runs; by default all recorded here.

    Raises:
        RunError: one of `places` cannot be opened.
    """
    runs, unread = open_runs(places)
    told = [{"run": name, "reason": reason} for name, reason in unread.items()]
    if not places:
        return findings_document(runs) | {"unread": told}
    here = judgeable(open_runs()[0])
    return findings_document(runs, NOT_NAMED, here) | {"unread": told}


def open_runs(places: Sequence[str] = ()) -> tuple[dict[str, EvolutionRun], dict[str, str]]:
    """Recordings by name, and why some cannot be opened; arguments as `findings_of`.

    Raises:
        RunError: one of `places` cannot be opened.
    """
    if places:
        opened = [(place, load_run(place)) for place in places]
        names = Counter(run.folder.parent.name for _, run in opened)
        return {
            run.folder.parent.name if names[run.folder.parent.name] == 1 else place: run
            for place, run in opened
        }, {}
    runs, unread = {}, {}
    for name in list_runs():
        try:
            runs[name] = load_run(name)
        except RunError as error:
            unread[name] = str(error)
    return runs, unread
