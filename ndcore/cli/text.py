"""Text for people and CSV, made from the same documents as the JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np

from ndcore.activations.histograms import ClassHistograms
from ndcore.figures.detector.certificate import certificate_words
from ndcore.legible.plurals import counted
from ndcore.statistics.intervals import Rate


def share(found: dict[str, Any] | None) -> str:
    """`93.2% (n = 2,585, 95% interval 92.2-94.1%)`."""
    if not found:
        return "unknown"
    rate = Rate.of(found, "accuracy")
    return f"{rate.percent()} (n = {rate.n:,}, 95% interval {rate.interval()})"


def attack_text(document: dict[str, Any]) -> str:
    """One line per image and the success rate."""
    lines = []
    for row in document["results"]:
        before = f"{row['predicted_before']} {100 * row['confidence_before']:.1f}%"
        after = f"{row['predicted_after']} {100 * row['confidence_after']:.1f}%"
        where = " ".join(
            f"({p['row']}, {p['col']}) {p['rgb_before']} -> {p['rgb_after']}" for p in row["pixels"]
        )
        where = where or f"{row['distances']['l0']} pixels, L2 {row['distances']['l2']:.2f}"
        if row["skipped"]:
            lines.append(f"{row['id']}: not attacked, predicted {before}, true {row['true']}")
        elif row["success"]:
            lines.append(f"{row['id']}: {before} -> {after} by {where}, {_queries(row)}")
        else:
            lines.append(f"{row['id']}: {_failure(row, after, where)}")
    summary = document["summary"]
    if summary["attacked"]:
        rate = Rate(summary["succeeded"], summary["attacked"])
        lines.append(
            f"{rate.k:,} of {counted(rate.n, 'correctly classified image')} broken "
            f"({rate.percent()}, 95% interval {rate.interval()})"
        )
    else:
        lines.append("no image was correctly classified, so none was attacked")
    return "\n".join(lines)


def _queries(row: dict[str, Any]) -> str:
    return counted(row["queries"], "query", "queries")


def _failure(row: dict[str, Any], after: str, where: str) -> str:
    """How it ended short of which goal, and how near it came to that."""
    target = row.get("target")
    ended = f"{'stopped' if row['stopped'] else 'failed'} after {_queries(row)}"
    if target is not None:
        ended += f", {target} not reached"
    if not row["distances"]["l0"]:
        return f"{ended}; nothing tried came nearer"
    if target is None:
        return f"{ended}; nearest miss {after} by {where}"
    rose = [f"{100 * row[f'target_confidence_{when}']:.1f}%" for when in ("before", "after")]
    return f"{ended}; nearest to it: {rose[0]} -> {rose[1]} by {where}, predicted {after}"


def _undecided(row: dict[str, Any]) -> str:
    """Why there is no verdict, and from which share of false alarms on there would be one."""
    count = row["calibration_images"]
    images = counted(count, "calibration image is", "calibration images are")
    told = f"undecided: {images} too few for {100 * row['alpha']:g}% of false"
    # The smallest p-value that so many images give.
    decides = f" (--alpha {ceil(1000 / (count + 1)) / 1000:g} or more decides)" if count else ""
    return f"{told} alarms{decides}"


def detect_text(document: dict[str, Any]) -> str:
    """Per image a line with the evidence, the three strongest units or the pixel, and the proof."""
    lines = [f"judged by {document['detector']}:"]
    for row in document["results"]:
        verdict = "FLAGGED" if row["flagged"] else "not flagged"
        if not row["guaranteed"]:
            verdict = _undecided(row)
        why = ", ".join(
            f"{u['layer']}[{u['unit']}] = {u['activation']:.3g} (class median "
            f"{u['class_median']:.3g}, p {u['p_value']:.2g})"
            for u in row.get("units", [])[:3]
        )
        if "suspect" in row:
            at = row["suspect"]
            stays = "it stays " if row["repaired"] == row["predicted"] else ""
            why = f"most suspicious pixel ({at['row']}, {at['col']}), repaired {stays}"
            why += row["repaired"]
        if "second" in row:
            at = row["second"]
            why += f", with ({at['row']}, {at['col']}) too {at['repaired']}"
        lines.append(
            f"{row['file']}: {row['predicted']} {100 * row['confidence']:.1f}%, {verdict}, "
            f"p = {row['p_value']:.4f}, score {row['score']:.3f}" + (f"; {why}" if why else "")
        )
        if "certificate" in row:
            lines.append(f"  {certificate_words(row['certificate'])}")
    return "\n".join(lines)


def study_text(document: dict[str, Any]) -> str:
    """A table per kind of attack, the best score first."""
    images = document["images"]
    lines = [
        f"{images['evaluation']} benign images, {images['evaluation_misclassified']} of them "
        f"misclassified; thresholds from {images['calibration']} others"
    ]
    if images.get("evaluation_lossless") == 0:
        lines.append("none of them is in a lossless file")
    for attack in document["attacks"]:
        name = attack["name"]
        tried = f" on {attack['attacked']} images" if attack["attacked"] else ""
        lines.append(f"\n{name}: {attack['about']}, {attack['n']} successes{tried}")
        if not attack["n"]:
            continue
        lines.append(f"  {'score':22} AUROC (95% interval)   wrong  matched  caught at 5%  alarms")
        rows = sorted(document["detectors"], key=lambda row: -row["attacks"][name]["auroc"])
        for row in rows:
            found = row["attacks"][name]
            low, high = found["ci95"]
            wrong, matched = (
                found["against"][which]["auroc"]
                for which in ("benign-misclassified", "confidence-matched")
            )
            mark = "*" if row["frozen"] else " "
            lines.append(
                f"{mark} {row['name']:22} {found['auroc']:.3f} ({low:.3f}-{high:.3f})    "
                f"{wrong:.3f}   {matched:.3f}    {100 * found['tpr_at_fpr']['0.05']:5.1f}%      "
                f"{100 * row['realised_fpr']['0.05']:5.1f}%"
            )
    if left := document.get("left_out"):
        lines.append(f"\n{', '.join(left)}: left out, as the model gives no gradient to follow")
    for name, found in document["localisation"].items():
        where, label = (found[key] for key in ("suspect_is_the_pixel", "repaired_label_is_true"))
        lines.append(
            f"{name}: the changed pixel is the first suspect in {100 * where['rate']:.1f}% and the "
            f"repaired label the true one in {100 * label['rate']:.1f}% of {where['n']}"
        )
    for name, found in document["evasion"].items():
        won = f"{100 * found['success']['rate']:.1f}% flipped, " if found["success"] else ""
        slipped = (
            f", {100 * found['evasion']['rate']:.1f}% of {found['attacked']} flipped unnoticed"
            if found["evasion"]
            else ""
        )
        caught = found["detected"]
        share = Rate.of(caught).percent()
        lines.append(f"{name}: {won}{share} of {caught['n']} caught at 5%{slipped}")
    if found := document.get("certificate"):
        flip = found["flip"]
        lines.append(
            f"proven against one pixel: {Rate.of(flip['correct']).text} of "
            f"{flip['correct']['n']} correct images, {Rate.of(flip['breakable']).text} of "
            f"{flip['breakable']['n']} that one pixel breaks; alarms on "
            f"{Rate.of(flip['alarms']['correct']).text} of the correct; "
            f"{sum(row['violations'] for row in found['attacks'])} attacks break the proof"
        )
    lines.append("* chosen on other images before these were looked at")
    return "\n".join(lines)


def histogram_csv(found: ClassHistograms, rows: Sequence[int], names: Sequence[str]) -> str:
    """class, unit, bin, low, high, count; the exact zeros of a unit are bin 0."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["class", "unit", "bin", "low", "high", "count"])
    edges = found.edges()
    for row, name in zip(rows, names, strict=True):
        counts = found.of([row])[0]
        for unit in range(found.units):
            for index in np.flatnonzero(counts[unit]).tolist():
                ends = (0.0, 0.0) if index == 0 else edges[unit, index - 1 : index + 1]
                count = int(counts[unit, index])
                writer.writerow([name, unit, index, f"{ends[0]:.7g}", f"{ends[1]:.7g}", count])
    return out.getvalue()
