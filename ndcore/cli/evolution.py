"""The document and the text of `evolve`, made from a recorded run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.cli.findings import accuracy
from ndcore.evolution import EvolutionRun, change_after, correlations
from ndcore.evolution.findings import accuracy_of, told_data
from ndcore.legible.epoch_spans import spans
from ndcore.statistics.intervals import Rate


def evolution_document(run: EvolutionRun, variant: str, layer: str | None = None) -> dict[str, Any]:
    """What the macro view shows; with `layer` also the metrics of its units.

    `correlation` is that of a layer's discriminability with its density, `change` by how much
    each layer's discriminability moved when the learning rate was lowered (see
    `ndcore.evolution.trends`).
    """
    spread, dense = run.macro("discriminability", variant), run.macro("density")
    vulnerability = run.vulnerability
    tied = _numbers(correlations(spread, dense))
    document: dict[str, Any] = {
        "run": str(run.folder),
        "model": run.model,
        "data": run.about["data"],
        "variant": variant,
        "epochs": run.epochs.tolist(),
        "layers": [
            {
                "layer": each.name,
                "number": each.number,
                "kind": each.kind,
                "units": each.units,
                "size": list(each.size),
                "samples_per_class": run.samples(each.name),
                "discriminability": spread[row].tolist(),
                "density": dense[row].tolist(),
                "correlation": tied[row],
            }
            for row, each in enumerate(run.layers)
        ],
        "loss": run.curves["train_loss"].tolist(),
        "top1_error": run.curves["validation_top1_error"].tolist(),
        "top5_error": run.curves["validation_top5_error"].tolist(),
        "train": _curves(run, "train"),
        "validation": _curves(run, "validation"),
        "rate_lowered": [
            {"after_epoch": epoch, "change": _numbers(change_after(spread, run.epochs, epoch))}
            for epoch in run.rate_lowered
        ],
        "detailed_epochs": list(run.detailed),
        "warnings": [vars(warned) | {"epochs": list(warned.epochs)} for warned in run.warnings()],
        "vulnerability": vulnerability.to_dict() if vulnerability else None,
        "accuracy": [
            asdict(found)
            for found in (accuracy_of(run, images) for images in ("test", "evaluation"))
            if found
        ],
        "result": run.result,
    }
    if layer is not None:
        unit_spread, unit_dense = run.units(layer, variant=variant), run.units(layer, "density")
        document["layer"] = layer
        document["units"] = [
            {"unit": unit, "discriminability": a.tolist(), "density": b.tolist()}
            for unit, (a, b) in enumerate(zip(unit_spread, unit_dense, strict=True))
        ]
    return document


def evolution_text(document: dict[str, Any]) -> str:
    """A line per layer with the first and the last epoch, the errors, and the warnings."""
    epochs = document["epochs"]
    lines = [
        f"{document['model']} on {told_data(document['data'])}, epochs {epochs[0]}-{epochs[-1]}, "
        f"{document['variant']} discriminability"
    ]
    lines += [
        f"{row['number']:>3} {row['layer']}: discriminability "
        f"{row['discriminability'][0]:.4g} -> {row['discriminability'][-1]:.4g}, "
        f"density {_ends(row['density'])}"
        for row in document["layers"]
    ]
    lines.append(
        f"loss {_ends(document['loss'])} in training; in validation "
        f"(n = {document['validation']['n']:,}) {_ends(document['validation']['loss'])}, "
        f"top-1 error {100 * document['top1_error'][-1]:.1f}%{_top5(document)}"
    )
    if document["accuracy"]:
        lines.append(f"accuracy in %: {'; '.join(map(accuracy, document['accuracy']))}")
    lines += [
        f"warning: {row['layer']} is {row['rule']} (epochs {spans(row['epochs'])}): "
        f"{row['sentence']}"
        for row in document["warnings"]
    ]
    measured = document["vulnerability"]
    lines += [_flips(row) for row in measured["epochs"]] if measured else []
    return "\n".join(lines)


def _ends(values: Sequence[float]) -> str:
    return f"{values[0]:.3f} -> {values[-1]:.3f}"


def _top5(document: dict[str, Any]) -> str:
    """Among five classes or fewer the right one is always one of the first five."""
    errors = document["top5_error"]
    return f", top-5 error {100 * errors[-1]:.1f}%" if any(errors) else ""


def _flips(row: dict[str, Any]) -> str:
    line = f"epoch {row['epoch']}: one pixel flips {row['flipped']} of {row['attacked']} images"
    if row["flip_rate"] is not None:
        line += f", {Rate(row['flipped'], row['attacked']).text}"
    if row["auroc"] is not None:
        low, high = row["auroc_ci95"]
        line += f"; detector AUROC {row['auroc']:.3f} ({low:.3f}-{high:.3f})"
    return line


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def _curves(run: EvolutionRun, part: str) -> dict[str, Any]:
    names = ("loss", "top1_error", "top5_error")
    images = run.about["reference" if part == "train" else "validation"]
    return {"n": images} | {name: run.curves[f"{part}_{name}"].tolist() for name in names}
