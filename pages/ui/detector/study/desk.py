"""The hypothesis desk: choose on dev images, freeze, look once at the evaluation images."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.detectors.scoring.scores import layer_measures
from ndcore.errors import BadRequestError, BundleError
from ndcore.figures.detector.layer_auroc import layer_auroc
from ndcore.legible.plurals import counted
from ndcore.statistics.roc import auroc
from ndcore.study.desk import Desk, desk_file, load_desk
from ndcore.study.hypotheses.frozen_list import Frozen, frozen_of
from ndcore.study.hypotheses.hypothesis import OVER, Hypothesis, dev_figures, hypothesis
from pages.ui.detector.choices import study_command
from pages.ui.detector.study.frozen_list import frozen_list, when
from pages.ui.elements.csv_button import formats
from pages.ui.elements.pick_several import pick_several
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import choice, several
from pages.ui.frame.words import capital, sentence

AGAINST = {
    "": "all benign images",
    "benign-correct": "correctly classified ones",
    "benign-misclassified": "misclassified ones",
    "confidence-matched": "equally confident ones",
}
ENDS = 2


def desk_panel(bundle: Bundle) -> None:
    """Choice, dev figures, the button, and all that was frozen."""
    st.header("Hypothesis desk")
    st.markdown(
        "Which layers, and which divergence, tell an attack? Choose on the **dev** images as long "
        "as you like. **Freeze** tests your choice on **evaluation** images that nothing was "
        "chosen on: once, with both figures side by side, and the answer stays on the list."
    )
    try:
        file = desk_file(bundle)
        desk = _loaded(str(file), file.stat().st_mtime_ns, bundle.weight_hash) if file else None
    except BundleError as error:
        st.error(sentence(error))
        return
    if desk is None and bundle.unasked:
        st.info(bundle.unasked)
        return
    if desk is None or not desk.attacks:
        st.info(
            "There is nothing to choose on yet: this bundle has no study with attacks on dev "
            "images. With its data on disk, "
            f"{study_command(bundle)} makes one, "
            "and keeps what an earlier run has measured; then reload this page."
        )
        return
    unsaved = st.session_state.setdefault(f"unsaved_{bundle.weight_hash}", [])
    frozen = frozen_of(bundle.name, bundle.weight_hash, unsaved)
    about = _choose(bundle, desk)
    if about is not None:
        _figures(bundle, desk, frozen, about)
    frozen_list(bundle, frozen)


@st.cache_resource(max_entries=2, show_spinner="Opening the scores …")
@known_signature
def _loaded(path: str, _changed: int, weight_hash: str) -> Desk:
    return load_desk(Path(path), weight_hash)


@st.cache_data(max_entries=256, show_spinner=False)
@known_signature
def _dev(digest: str, about: Hypothesis, _desk: Desk) -> dict[str, Any]:
    return dev_figures(_desk, about)


def _choose(bundle: Bundle, desk: Desk) -> Hypothesis | None:
    """The hypothesis on the desk; None, with a sentence, while it is none."""
    known = layer_measures()
    attack = choice(
        st.segmented_control,
        "Attack",
        desk.attacks,
        key=f"desk_attack_{bundle.name}",
        name="desk_attack",
    )
    measures = several(
        st.multiselect,
        "Measures",
        list(desk.measures),
        key=f"desk_measures_{bundle.name}",
        name="desk_measures",
        default=["w1-top"] if "w1-top" in desk.measures else list(desk.measures)[:1],
        format_func=lambda name: capital(known[name].title),
        help="What is measured of every neuron or spot against the predicted class, and how a "
        "layer's become one number.",
    )
    st.caption("  \n".join(f"`{name}`: {known[name].about}" for name in measures))
    key = f"desk_layers_{bundle.name}"
    every = list(desk.layers)
    layers = pick_several("Layers", every, key=key, name="desk_layers", default=every)
    presets = {"All": every, f"First {ENDS}": every[:ENDS], f"Last {ENDS}": every[-ENDS:]}
    row = st.container(horizontal=True, vertical_alignment="bottom")
    for name, chosen in presets.items():
        row.button(name, on_click=_set, args=(key, chosen), key=f"desk_preset_{name}")
    over = choice(
        row.segmented_control,
        "Over layers and measures take",
        list(OVER),
        key=f"desk_over_{bundle.name}",
        name="desk_over",
        default="mean",
        help="Every part first becomes its rank among benign dev images, so that all are on one "
        "scale; then " + "; or ".join(f"“{word}”: {text}" for word, text in OVER.items()) + ".",
    )
    try:
        return hypothesis(desk, measures, layers, attack, over)
    except BadRequestError as error:
        st.info(sentence(str(error).partition(":")[0]))
        return None


def _set(key: str, value: list[str]) -> None:
    st.session_state[key] = value


def _figures(bundle: Bundle, desk: Desk, frozen: Frozen, about: Hypothesis) -> None:
    """Dev and, once frozen, evaluation figures of one hypothesis."""
    dev = _dev(desk.digest, about, desk)
    record = frozen.find(desk, about)
    held = record["evaluation"] if record else None
    left, right = st.columns(2)
    for place, title, found in ((left, "Dev", dev), (right, "Evaluation", held)):
        with place.container(border=True, height="stretch"):
            _number(title, found)
    if record is None:
        looks = len(frozen.records())
        st.button(
            "Freeze, and look once",
            type="primary",
            icon=":material/ac_unit:",
            on_click=_freeze,
            args=(frozen, desk, about),
            key="freeze",
        )
        st.caption(
            f"This will be look {looks + 1} at the evaluation images with this model. It cannot be "
            "taken back. The tab “The study” tells evaluation figures too: a choice made with them "
            "in mind is no fresh test."
        )
    else:
        st.caption(
            f"Frozen {when(record)} as look {record['look']}; asking again gives the same answer."
        )
    frame = _table(dev, held)
    st.dataframe(frame, hide_index=True, column_config=_formats(frame), key="desk_table")
    if held is not None:
        _thresholds(held)
    _layers_alone(desk, about)
    _command(bundle, about)


def _freeze(frozen: Frozen, desk: Desk, about: Hypothesis) -> None:
    """Callback: look once at the evaluation images."""
    frozen.freeze(desk, about)


def _layers_alone(desk: Desk, about: Hypothesis) -> None:
    """How well each layer does by itself on the dev images."""
    curves, known = {}, layer_measures()
    benign, attacked = desk.sets["dev"].scores, desk.sets[f"dev-{about.attack}"].scores
    for measure in about.measures:
        at = desk.parts.index((measure, desk.measures[measure][0]))
        layers = desk.measures[measure]
        values = [
            auroc(benign[:, at + i].astype(float), attacked[:, at + i].astype(float))
            for i in range(len(layers))
        ]
        curves[capital(known[measure].title)] = (layers, values)
    st.plotly_chart(
        layer_auroc(curves, title="Dev images: AUROC of each layer alone"), key="desk_layer_auroc"
    )


def _command(bundle: Bundle, about: Hypothesis) -> None:
    command = ["python", "-m", "ndcore", "study", "hypothesis", "--bundle", bundle.name]
    command += [word for name in about.measures for word in ("--measure", name)]
    command += ["--layers", ",".join(about.layers), "--attack", about.attack]
    command += ["--over", about.over, "--json", "-"]
    st.caption("The same figures on the command line:")
    st.code(shlex.join(command), language="bash", wrap_lines=True)


def _number(title: str, found: dict[str, Any] | None) -> None:
    if found is None:
        st.metric(f"{title} AUROC", "not looked at")
        st.caption("Shown once, when the hypothesis is frozen.")
        return
    low, high = found["ci95"]
    st.metric(f"{title} AUROC", f"{found['auroc']:.3f}")
    st.caption(
        f"95% interval {low:.3f}-{high:.3f}, {found['n']:,} attacked against {found['benign']:,} "
        f"benign images. Confidence alone: {found['confidence_alone']:.3f}."
        + (" Expect less elsewhere: this was chosen here." if title == "Dev" else "")
    )


def _table(dev: dict[str, Any], held: dict[str, Any] | None) -> pd.DataFrame:
    """Both splits against each kind of benign images."""
    rows = []
    for kind, words in AGAINST.items():
        line: dict[str, Any] = {"against": words}
        for split, whole in (("dev", dev), ("evaluation", held)):
            found = whole["against"][kind] if whole and kind else whole or {}
            low, high = found.get("ci95", (None, None))
            line |= {
                split: found.get("auroc"),
                f"{split} from": low,
                f"{split} to": high,
                f"{split} n": found.get("n" if kind else "benign"),
            }
        rows.append(line)
    return pd.DataFrame(rows)


def _formats(frame: pd.DataFrame) -> dict[str, Any]:
    words = ("dev", "evaluation", "from", "to")
    return formats({"%.3f": [name for name in frame.columns if name.split(" ")[-1] in words]})


def _thresholds(held: dict[str, Any]) -> None:
    """Detection at fixed false-alarm rates, and classes without a threshold."""
    rows = [
        {
            "allowed": float(alpha),
            "caught": caught,
            "caught from": held["tpr_ci95"][alpha][0],
            "caught to": held["tpr_ci95"][alpha][1],
            "false alarms": held["false_alarms"][alpha]["rate"],
            "band from": held["false_alarms"][alpha]["band"][0],
            "band to": held["false_alarms"][alpha]["band"][1],
        }
        for alpha, caught in held["tpr_at_fpr"].items()
    ]
    frame = pd.DataFrame(rows)
    percent = formats({"percent": list(frame.columns)})
    st.dataframe(frame, hide_index=True, column_config=percent, key="desk_thresholds")
    few = {alpha: names for alpha, names in held["too_few"].items() if names}
    notes = [
        f"At {100 * float(alpha):g}% the calibration images of "
        f"{counted(len(names), 'predicted class is', 'predicted classes are')} too few "
        f"({', '.join(names)}): their images are never flagged."
        for alpha, names in few.items()
    ]
    st.caption(
        f"Thresholds from {held['calibration']:,} calibration images, per predicted class. "
        + " ".join(notes)
    )
