"""What the model and the detector say to a changed image, beside the untouched one."""

from __future__ import annotations

import numpy as np
import streamlit as st

from ndcore.activations.reading import Reading
from ndcore.bundles.bundle import Bundle
from ndcore.detectors import DivergenceDetector, Verdict
from ndcore.figures.lab.readout import layer_rows, probability_rows, unit_rows
from pages.ui.components.hand import Hand
from pages.ui.frame import loaders
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import recall
from pages.ui.frame.words import colour_words, plain

ALPHA = 0.05
UNITS = 10


def live_detector(bundle: Bundle) -> DivergenceDetector | None:
    """A layerwise detector, the chosen one where it is; None without a calibration.

    The best detector repairs each image many times. This one is asked while a pixel moves, so it
    has to answer from the very reading that the prediction needs.
    """
    return loaders.detectors(bundle).layered(recall("detector"))


def verdict_on(detector: DivergenceDetector | None, reading: Reading) -> Verdict | None:
    """The verdict on the first image read; None without a detector."""
    return None if detector is None else detector.explain(reading, ALPHA)[0]


def show_prediction(bundle: Bundle, true: int, hand: Hand, before: Reading, now: Reading) -> None:
    """The class predicted now and before, and all probabilities; `true` gets a star."""
    names = bundle.classes
    was, label = int(before.predicted[0]), int(now.predicted[0])
    sure, sure_before = now.probabilities[0, label], before.probabilities[0, was]
    told = f"## {plain(names[label])} {100 * sure:.1f}%"
    if not hand.spots:
        st.markdown(f"{told}\nUntouched. Pick a pixel.")
    else:
        change = f":red-badge[was {plain(names[was])}]" if label != was else ":gray-badge[no flip]"
        words = "; ".join(
            f"row {spot.row}, column {spot.col} → {colour_words(spot.colour)}"
            for spot in hand.spots
        )
        st.markdown(
            f"{told} {change}\n{words}. Before: {plain(names[was])} {100 * sure_before:.1f}%."
        )
    probabilities = (before.probabilities[0], now.probabilities[0])
    st.html(probability_rows(names, *probabilities, true))


def show_alarm(bundle: Bundle, name: str, now: Verdict, before: Verdict, *, touched: bool) -> None:
    """What the detector `name` says, and whether it is an alarm; `touched`: and said before."""
    label = plain(bundle.classes[now.predicted])
    if not now.guaranteed:
        badge = ":orange-badge[too few calibration images for an alarm]"
    elif now.flagged:
        badge = ":red-badge[flagged]"
    else:
        badge = ":gray-badge[not flagged]"
    was = f" (untouched: {before.p_value:.3f})" if touched else ""
    score = f" (untouched: {before.score:.2f})" if touched else ""
    st.markdown(
        f"**Divergence** p = {now.p_value:.3f}{was} {badge}  \nScore {now.score:.2f}{score} by "
        f"{name}; {100 * now.p_value:.1f}% of benign images taken for {label} score as high. Alarm "
        f"at {100 * ALPHA:g}% false alarms."
    )


def show_layers(bundle: Bundle, before: Verdict, now: Verdict) -> None:
    """How unusual each layer's reading is, before and now."""
    smallest = 1 / (1 + max(before.calibration_images, now.calibration_images))
    was, is_now = ([layer.p_value for layer in verdict.layers] for verdict in (before, now))
    st.html(layer_rows(bundle.layers, was, is_now, smallest))
    st.caption("Longer = more unusual among benign images of the predicted class.")


def show_units(bundle: Bundle, before: Reading, now: Reading) -> None:
    """The neurons that moved most."""
    moved = _moved(bundle, before, now)
    if not moved:
        st.caption("No neuron moved yet.")
        return
    names, old, new, shares = zip(*moved, strict=True)
    st.html(unit_rows(names, old, new, shares))
    st.caption(
        "Largest change as a share of the layer's axis; convolution neurons by strongest position."
    )


def _moved(bundle: Bundle, before: Reading, now: Reading) -> list[tuple[str, float, float, float]]:
    """(name, before, now, change as a share of the layer's axis), the largest first."""
    rows = []
    for layer in bundle.layers:
        kinds = bundle.reductions(layer)
        kind = "max" if "max" in kinds else kinds[0]
        low, high = _axis(bundle.manifest["files"]["distributions.npz"], layer, kind, bundle)
        old, new = before.values(layer, kind)[0], now.values(layer, kind)[0]
        change = np.abs(new - old) / (high - low)
        for unit in np.argsort(-change, kind="stable")[:UNITS].tolist():
            if change[unit] > 0:
                rows.append(
                    (f"{layer} · {unit}", float(old[unit]), float(new[unit]), float(change[unit]))
                )
    return sorted(rows, key=lambda row: -row[3])[:UNITS]


@st.cache_data(max_entries=256, show_spinner=False)
@known_signature
def _axis(checksum: str, layer: str, kind: str, _of: Bundle) -> tuple[float, float]:
    return _of.distributions(layer, kind).axis()
