"""Training Evolution, the whole network: the numbers behind its heat map and curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from ndcore.legible.plurals import counted
from pages.ui.elements.csv_button import csv_button
from pages.ui.evolution.runs import OpenRun, evolve_command
from pages.ui.evolution.state import View
from pages.ui.frame.link import box


def numbers_panel(opened: Sequence[OpenRun], view: View) -> None:
    """The table behind the heat map, made when it is opened."""
    layers = sum(len(each.run.layers) for each in opened)
    table = box(
        st.expander,
        f"Numbers: {counted(layers, 'layer')}",
        key="evo_macro_open",
        name="network_table",
    )
    if not table.open:
        return
    with table:
        frame = pd.concat([macro_rows(each, view.variant) for each in opened], ignore_index=True)
        curves = pd.concat([curve_rows(each) for each in opened], ignore_index=True)
        stem = "-".join(each.name for each in opened)
        for key, rows in (("layers", frame), ("curves", curves)):
            st.dataframe(rows, hide_index=True, key=f"evo_{key}", height=260)
            csv_button(rows, f"{stem}-{key}.csv", f"evo_{key}_csv")
        st.caption(
            "The same numbers: "
            + evolve_command(opened[0].name, "--variant", view.variant, "--json", "-")
        )


def macro_rows(each: OpenRun, variant: str) -> pd.DataFrame:
    """One row per layer and epoch."""
    run = each.run
    found = {name: run.macro(name, variant) for name in ("discriminability", "density")}
    more = {name: run.macro(name) for name in ("active", "saturation")}
    return pd.DataFrame(
        [
            {
                "run": each.name,
                "number": layer.number,
                "layer": layer.name,
                "neurons": layer.units,
                "epoch": int(epoch),
                f"discriminability ({variant})": float(found["discriminability"][row, e]),
                "density": float(found["density"][row, e]),
                "share above 0": float(more["active"][row, e]),
                "share saturated": float(more["saturation"][row, e]),
            }
            for row, layer in enumerate(run.layers)
            for e, epoch in enumerate(run.epochs)
        ]
    )


def curve_rows(each: OpenRun) -> pd.DataFrame:
    """One row per epoch: losses, errors, and vulnerability where it is known."""
    columns: dict[str, Any] = {"run": each.name, "epoch": each.run.epochs}
    frame = pd.DataFrame(columns | {k.replace("_", " "): v for k, v in each.run.curves.items()})
    if each.vulnerability:
        told = pd.DataFrame([_flat(row) for row in each.vulnerability])
        frame = frame.merge(told, on="epoch", how="left")
    return frame


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """An interval takes two columns."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if key.endswith("_ci95"):
            low, high = value if value is not None else (None, None)
            name = key.replace("_ci95", " 95% interval")
            flat |= {f"{name} from": low, f"{name} to": high}
        elif key not in ("weights", "seconds"):
            flat[key.replace("_", " ")] = value
    return flat
