"""The detectors of a study as rows: all that is known of each, or a few columns in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ndcore.detectors.registry import title_of
from ndcore.detectors.scoring.scores import LATE
from pages.ui.elements.csv_button import formats
from pages.ui.frame.words import capital

MAIN_ALPHA = "0.05"
FEW = 5  # detectors that are shown first


def frozen_row(document: dict[str, Any]) -> dict[str, Any] | None:
    """The detector that was fixed beforehand, if the study has one."""
    return next((row for row in document["detectors"] if row["frozen"]), None)


def detector_rows(document: dict[str, Any], attack: str) -> pd.DataFrame:
    """One row per detector, the best first; on a tie a baseline before what it ties with."""
    rows = []
    for row in document["detectors"]:
        found = row["attacks"][attack]
        against = found["against"]
        rows.append(
            {
                "detector": row["name"],
                "AUROC": found["auroc"],
                "from": found["ci95"][0],
                "to": found["ci95"][1],
                "caught at 5%": found["tpr_at_fpr"][MAIN_ALPHA],
                "false alarms": row["realised_fpr"][MAIN_ALPHA],
                "vs. natural errors": against["benign-misclassified"]["auroc"],
                "same confidence": against["confidence-matched"]["auroc"],
                "kind": row["kind"],
                "vs. correct": against["benign-correct"]["auroc"],
                "average precision": found["aupr"],
                "alarms at 95% caught": found["fpr_at_95_tpr"],
                **{
                    f"caught at {100 * float(a):g}%": v
                    for a, v in found["tpr_at_fpr"].items()
                    if a != MAIN_ALPHA
                },
                "what it is": row["about"],
            }
        )
    frame = pd.DataFrame(rows)
    first = frame["kind"] == "baseline"
    order = np.lexsort((~first, -frame["AUROC"].fillna(0)))
    return frame.iloc[order].reset_index(drop=True)


def leading(document: dict[str, Any], frame: pd.DataFrame) -> list[str]:
    """Five detectors, the best first: the frozen one, two baselines, a divergence, the guess."""
    ranked = list(frame["detector"])
    kinds = {kind: list(rows) for kind, rows in frame.groupby("kind")["detector"]}
    ours = frozen_row(document)
    wanted = [
        *([ours["name"]] if ours else []),
        *kinds.get("baseline", [])[:2],
        *[name for name in kinds.get("divergence", []) if name != LATE][:1],
        *[name for name in ranked if name == LATE],
    ]
    wanted += [name for name in ranked if name not in wanted][: FEW - len(wanted)]
    return [name for name in ranked if name in wanted]


def plain_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """A few columns of `detector_rows`, in words."""
    return pd.DataFrame(
        {
            "how it tells": [capital(title_of(name)) for name in frame["detector"]],
            "caught": [f"{100 * share:.1f}%" for share in frame["caught at 5%"]],
            "false alarms": [f"{100 * share:.1f}%" for share in frame["false alarms"]],
            "AUROC": [
                f"{value:.3f} ({low:.3f}\u2011{high:.3f})"  # no break at this hyphen
                for value, low, high in frame[["AUROC", "from", "to"]].to_numpy()
            ],
            "against natural errors": [
                "" if pd.isna(value) else f"{value:.3f}" for value in frame["vs. natural errors"]
            ],
        }
    )


def row_formats(frame: pd.DataFrame) -> dict[str, Any]:
    """How the columns of either table are written."""
    shares = [c for c in frame.columns if "caught" in c or "alarms" in c]
    numbers = [c for c in frame.columns if frame[c].dtype.kind == "f" and c not in shares]
    return formats({"percent": shares, "%.3f": numbers})
