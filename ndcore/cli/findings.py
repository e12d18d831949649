"""The text of `evolve --findings`: accuracies beside the paper's, then claim by claim."""

from __future__ import annotations

from typing import Any

from ndcore.evolution.findings import HOW_FIXED, told_data, told_files

MARKS = {"held": "+", "did not hold": "-", "could not be tested": "?"}


def findings_text(document: dict[str, Any]) -> str:
    """Tables for people, from `ndcore.evolution.findings.findings_document`."""
    lines = [f"{'network':14} {'paper':>6}  here (95% interval)"]
    for row in document["accuracy"]:
        lines.append(
            f"{row['network']:14} {_percent(row['paper']):>6}  {_ours(row, document['absent'])}"
        )
    lines += [
        "",
        ", ".join(f"{count} {verdict}" for verdict, count in document["summary"].items()),
    ]
    for row in document["findings"]:
        head = f"{MARKS[row['verdict']]} {row['id']} {row['verdict']}"
        lines.append(f"\n{head}: {row['claim']} ({row['section']})")
        lines.append(f"    {row['sentence']}")
        if row["missing"] and row["figures"]:
            lines.append(f"    Not judged: {', '.join(row['missing'])}.")
        lines.append(f"    Decided by {row['statistic']}; held if {row['rule']}.")
    lines.append(f"\n{HOW_FIXED}")
    if document["missing"]:
        lines.append("\nTo record what is missing:")
        lines += [row["command"] for row in document["missing"]]
    lines += [f"not read: {row['run']}: {row['reason']}" for row in document.get("unread", [])]
    return "\n".join(lines)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _ours(row: dict[str, Any], absent: str) -> str:
    if row["run"] is None:
        return absent
    named = "" if row["run"] == row["network"] else f"{row['run']}: "
    found = [accuracy(row[part]) for part in ("test", "evaluation") if row[part] is not None]
    if not found:
        return f"{named}in training, {row['epochs']} epochs so far"
    return (
        f"{named}{'; '.join(found)}; {row['epochs']} epochs recorded on {told_data(row['data'])}, "
        f"seed {row['seed']}; {row['recipe']}"
    )


def accuracy(found: dict[str, Any]) -> str:
    """In percent with its interval, of how many images of which kind."""
    low, high = (_percent(end) for end in found["ci95"])
    kind = "test" if found["images"] == "test" else "held-out"
    files = told_files(found["n"], found["lossless"])
    return f"{_percent(found['accuracy'])} ({low}-{high}) on {found['n']:,} {kind} images{files}"
