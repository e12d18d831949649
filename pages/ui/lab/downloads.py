"""Results as files: PNG pairs, CSV, JSON and NPZ, of one image or of a batch."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ndcore.attacks import AttackResult, summarise
from ndcore.bundles.bundle import Bundle
from ndcore.data.decode import encode_png
from ndcore.legible.plurals import counted
from pages.ui.elements.download import download
from pages.ui.lab.grid_map import map_arrays


def download_buttons(bundle: Bundle, results: Sequence[AttackResult], key: str) -> None:
    """Four buttons; a file is made when its button is pressed."""
    held = list(results)
    single = held[0].id if len(held) == 1 else f"{bundle.name}-{len(held)}-attacks"
    name = "".join(c if c.isalnum() else "-" for c in single)
    row = st.container(horizontal=True)
    pngs = "PNG pair" if len(held) == 1 else counted(len(held), "PNG pair")
    for kind, label, end, make in (
        ("png", pngs, "zip", lambda: results_png(held)),
        ("csv", "CSV", "csv", lambda: results_csv(bundle, held)),
        ("json", "JSON", "json", lambda: results_json(bundle, held)),
        ("npz", "NPZ", "npz", lambda: results_npz(held)),
    ):
        download(label, make, f"{name}.{end}", key=f"{key}_{kind}", place=row)


def results_png(results: Sequence[AttackResult]) -> bytes:
    """A zip of PNG files: of each result the benign one and what became of it.

    Only an image that fools the model is called attacked: triage takes that name for the truth.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number, result in enumerate(results):
            stem = "".join(c if c.isalnum() else "-" for c in result.id)
            if len(results) > 1:
                stem = f"{number:03d}-{stem}"
            end = "attacked" if result.success else result.outcome.replace(" ", "-")
            for kind, pixels in (("benign", result.benign), (end, result.attacked)):
                # A fixed date, so that equal results give equal files.
                archive.writestr(zipfile.ZipInfo(f"{stem}-{kind}.png"), encode_png(pixels))
    return out.getvalue()


def results_csv(bundle: Bundle, results: Sequence[AttackResult]) -> str:
    """One line per image; changed pixels as `row.col.colour`, up to five of them."""
    rows = []
    for result in results:
        row = result.to_dict(bundle.classes)
        pixels = row.pop("pixels")
        row.pop("targets", None)
        distances = row.pop("distances")
        row["pixels"] = " ".join(
            f"{p['row']}.{p['col']}.{bytes(p['rgb_after']).hex()}" for p in pixels
        )
        row |= distances | {
            "outcome": result.outcome,
            "engine": result.config.engine,
            "seed": result.seed,
        }
        rows.append(row)
    return pd.DataFrame(rows).to_csv(index=False)


def results_json(bundle: Bundle, results: Sequence[AttackResult]) -> str:
    """What was asked, with which weights, and what came of it."""
    document = {
        "bundle": bundle.name,
        "weight_hash": bundle.weight_hash,
        "config": vars(results[0].config),
        "budget": results[0].config.budget(bundle.shape),
        "results": [
            result.to_dict(bundle.classes) | {"outcome": result.outcome} for result in results
        ],
        "summary": summarise(results),
    }
    return json.dumps(document, indent=1)


def results_npz(results: Sequence[AttackResult]) -> bytes:
    """Arrays over the images; a single result brings its map."""
    arrays: dict[str, Any] = {
        "ids": np.array([result.id for result in results]),
        "benign": np.stack([result.benign for result in results]),
        "attacked": np.stack([result.attacked for result in results]),
        "probabilities_before": np.stack([result.probabilities_before for result in results]),
        "probabilities_after": np.stack([result.probabilities_after for result in results]),
    }
    for name in (
        "true",
        "predicted_before",
        "predicted_after",
        "success",
        "outcome",
        "queries",
        "seconds",
    ):
        arrays[name] = np.array([getattr(result, name) for result in results])
    if len(results) == 1 and results[0].map is not None:
        arrays |= {f"map_{name}": array for name, array in map_arrays(results[0].map).items()}
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()
