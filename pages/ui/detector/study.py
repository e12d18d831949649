"""The study panel: how well every detector tells attacked images from benign ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.detectors.scoring.scores import LATE
from ndcore.errors import BundleError
from ndcore.figures.detector.layer_auroc import layer_auroc
from ndcore.figures.detector.roc import operating_point, roc_figure
from ndcore.study import SavedStudy
from pages.ui.detector.adversaries import adversaries_panel, price
from pages.ui.detector.study_details import frozen_row, study_details
from pages.ui.elements.csv_button import csv_button, formats
from pages.ui.frame import loaders
from pages.ui.frame.link import choice, number, several
from pages.ui.frame.words import sentence

CURVES = 5
BENIGN = "evaluation"
# Shown first: the distance of units, their rarity, another class's fit, and the image's places.
MEASURES = ("w1-top", "surprisal-top", "margin-top", "spatial-w1-top", "position-spot")
AGAINST = {
    "all": "all benign images",
    "correct": "correctly classified ones",
    "misclassified": "misclassified ones",
}
MAIN_ALPHA = "0.05"
GOALS = {"auroc": 0.99, "caught": 0.97, "matched": 0.98}
CHANCE = 0.6  # an AUROC whose interval reaches below this tells nothing worth having


def study_panel(bundle: Bundle) -> None:
    """Table, curves, layers, places and false alarms of the finished study."""
    st.subheader("Does it work? The study")
    try:
        study = loaders.study(bundle)
    except BundleError as error:
        st.error(sentence(error))
        return
    if study is None:
        st.info(
            "This bundle has no study yet. With its data on disk, "
            f"`python -m ndcore study detectors --bundle {bundle.name} --data .data` makes one; "
            "then reload this page."
        )
        return
    document = study.document
    attacks = {row["name"]: row for row in document["attacks"] if row["n"]}
    if not attacks:
        st.info("The study holds no successful attack, so there is nothing to compare.")
        return
    st.markdown(headline(document))
    name = choice(
        st.segmented_control,
        "Attack",
        list(attacks),
        key="study_attack",
        help="Successes on correctly classified images of the evaluation split, as 8-bit images.",
    )
    chosen = attacks[name]
    tried = f" among {chosen['attacked']:,} attacked" if chosen["attacked"] else ""
    images = document["images"]
    st.caption(
        f"{chosen['about']}: {chosen['n']:,} successes{tried}, against {images['evaluation']:,} "
        f"benign images of which {images['evaluation_misclassified']:,} are misclassified. "
        f"Thresholds come from {images['calibration']:,} others."
    )
    frame = detector_rows(document, name)
    st.dataframe(frame, hide_index=True, key="study_table", column_config=_formats(frame))
    st.caption(
        "AUROC against all benign images with its 95% interval; against the network's natural "
        "mistakes alone, and against benign images weighted to the same confidence. Caught and "
        "false alarms are rates at a threshold for 5% that was fixed on the calibration images."
    )
    csv_button(frame, f"{bundle.name}-study-{name}.csv", "study_csv")
    _curves(study, name, list(frame["detector"]))
    adversaries_panel(document)
    _layers(document, name)
    study_details(document, name)


def headline(document: dict[str, Any]) -> str:
    """The first sentence: what was frozen, what it reached, and what beats it."""
    attack = next(row for row in document["attacks"] if row["n"])
    ours = frozen_row(document)
    baselines = [row for row in document["detectors"] if row["kind"] == "baseline"]
    best = max(baselines, key=lambda row: row["attacks"][attack["name"]]["auroc"], default=None)
    told = []
    if ours is not None:
        found = ours["attacks"][attack["name"]]
        told.append(
            f"**{ours['name']}** ({ours['about']}), fixed before these images were looked at, "
            f"catches **{100 * found['tpr_at_fpr'][MAIN_ALPHA]:.1f}%** of {attack['n']:,} "
            f"{attack['name']} attacks while it flags "
            f"{100 * ours['realised_fpr'][MAIN_ALPHA]:.1f}% of benign images "
            f"(AUROC {_interval(found)})"
        )
    if best is not None:
        found = best["attacks"][attack["name"]]
        ahead = ours is not None and found["auroc"] >= ours["attacks"][attack["name"]]["auroc"]
        word = "is beaten by" if ahead else "is ahead of"
        words = f"the best baseline, {best['name']} (AUROC {_interval(found)})"
        told.append(f"it {word} {words}" if ours is not None else words)
    if not told:
        return "The study compares no detector."
    return " ".join([f"{'; '.join(told)}.", *missed_goals(document), price(document)]).strip()


def missed_goals(document: dict[str, Any]) -> list[str]:
    """What the frozen detector was to reach on the first attack and did not, in sentences."""
    attack = next(row for row in document["attacks"] if row["n"])["name"]
    ours = frozen_row(document)
    if ours is None:
        return []
    found = ours["attacks"][attack]
    reached = {
        f"AUROC {GOALS['auroc']:g}": found["auroc"] >= GOALS["auroc"],
        f"{100 * GOALS['caught']:g}% caught at 5% false alarms": found["tpr_at_fpr"][MAIN_ALPHA]
        >= GOALS["caught"],
        f"confidence-matched AUROC {GOALS['matched']:g}": found["against"]["confidence-matched"][
            "auroc"
        ]
        >= GOALS["matched"],
    }
    missed = [goal for goal, yes in reached.items() if not yes]
    return [f"It misses the goal of {' and of '.join(missed)}."] if missed else []


def _interval(found: dict[str, Any]) -> str:
    low, high = found["ci95"]
    return f"{found['auroc']:.3f}, interval {low:.3f}-{high:.3f}"


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
                "vs. mistakes": against["benign-misclassified"]["auroc"],
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


def _formats(frame: pd.DataFrame) -> dict[str, Any]:
    shares = [c for c in frame.columns if "caught" in c or "alarms" in c]
    numbers = [c for c in frame.columns if frame[c].dtype.kind == "f" and c not in shares]
    return formats({"percent": shares, "%.3f": numbers})


def _curves(study: SavedStudy, attack: str, ranked: list[str]) -> None:
    """ROC of the chosen detectors; the first one's threshold can be moved."""
    # Another attack begins with its own best, unless others were chosen.
    names = several(
        st.multiselect,
        "Curves",
        ranked,
        key=f"study_curves_{attack}",
        name="study_curves",
        default=ranked[:CURVES],
        max_selections=10,
    )
    if not names:
        return
    columns = [study.names.index(name) for name in names]
    benign, attacked = study.scores[BENIGN], study.scores[attack]
    percent = number(
        st.slider,
        f"Threshold of {names[0]}: benign images above it",
        0.1,
        30.0,
        5.0,
        key="study_threshold",
        step=0.1,
        format="%.1f%%",
    )
    threshold = float(np.quantile(benign[:, columns[0]], 1 - percent / 100))
    point = operating_point(benign[:, columns[0]], attacked[:, columns[0]], threshold)
    scores = {
        name: (benign[:, at], attacked[:, at]) for name, at in zip(names, columns, strict=True)
    }
    st.plotly_chart(roc_figure(scores, point=point), key="study_roc")
    st.caption(
        f"At a threshold of {threshold:.3g}, {names[0]} flags {100 * point[0]:.1f}% of the benign "
        f"images and {100 * point[1]:.1f}% of the attacked ones. Moving it here looks at the "
        "evaluation images; the table's rates rest on thresholds from other images."
    )


def _layers(document: dict[str, Any], attack: str) -> None:
    """Where in depth an attack shows: each measure at each layer alone."""
    layers = document.get("layers", {})
    if not layers:
        return
    st.subheader("Where in depth it shows, and the paper's hypothesis")
    words = hypothesis(document, attack)
    if words:
        st.markdown(words)
    against = choice(
        st.segmented_control,
        "Against",
        list(AGAINST),
        key="study_against",
        format_func=AGAINST.get,
        help="A score that finds errors and not attacks falls to chance against misclassified "
        "benign images.",
    )
    measures = several(
        st.multiselect,
        "Scores",
        list(layers),
        key="study_measures",
        default=[name for name in MEASURES if name in layers] or list(layers)[:CURVES],
    )
    curves = {
        measure: (layers[measure]["layers"], layers[measure]["attacks"][attack][against])
        for measure in measures
    }
    st.plotly_chart(layer_auroc(curves), key="study_layers")


def hypothesis(document: dict[str, Any], attack: str) -> str:
    """What the data says about late-layer divergence, the guess that the paper ends on."""
    row = next((row for row in document["detectors"] if row["name"] == LATE), None)
    if row is None:
        return ""
    found = row["attacks"][attack]
    right, wrong = (found["against"][f"benign-{word}"] for word in ("correct", "misclassified"))
    matched = found["against"]["confidence-matched"]
    told = (
        f"The guess: an attacked image lies far from its predicted class in the late layers. "
        f"Late-layer divergence (`{LATE}`: {row['about']}) tells {found['n']:,} {attack} attacks "
        f"from correctly classified images with AUROC {_interval(right)}"
    )
    if not wrong["n"]:
        return f"{told}."
    told += (
        f", from natural mistakes of the network with {_interval(wrong)}, and from benign images "
        f"of the same confidence with {_interval(matched)}. At 5% false alarms it catches "
        f"{100 * found['tpr_at_fpr'][MAIN_ALPHA]:.1f}%. "
    )
    if right["ci95"][0] > CHANCE and wrong["ci95"][0] <= CHANCE:
        return told + "**It notices that the network errs, not that it was attacked.**"
    if right["ci95"][0] <= CHANCE:
        return told + "**The data does not bear the guess out.**"
    return told + "**The data bears the guess out, as far as these figures go.**"
