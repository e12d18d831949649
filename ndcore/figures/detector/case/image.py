"""One judged image in a case file: its verdict, pictures, numbers and evidence."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.figures.detector.case.markup import (
    pairs_markup,
    picture_markup,
    png_pixels,
    table_markup,
)
from ndcore.figures.detector.certificate import certificate_words
from ndcore.figures.detector.second_repair import second_words
from ndcore.figures.detector.suspect_map import suspect_colours, suspect_legend
from ndcore.figures.style.palette import ATTACKED, MUTED
from ndcore.figures.style.rows import Bar, Row, rows_markup

UNITS = 12
RINGS = 5
Found = Mapping[str, Any]


def verdict_sentence(verdict: Found) -> str:
    """The verdict in words, without more confidence than the numbers carry.

    Args:
        verdict: as `ndcore.detectors.Verdict.to_dict` gives it.
    """
    label, alpha = verdict["predicted"], verdict["alpha"]
    count = verdict["calibration_images"]
    if not verdict["guaranteed"]:
        return (
            f"Undecided: {count} benign calibration images taken for {label} are too few for "
            f"{100 * alpha:g}% of false alarms, so nothing is flagged."
        )
    share = (
        f"{100 * verdict['p_value']:.1f}% of benign images taken for {label} score as high "
        f"(p = {verdict['p_value']:.4f}, alpha = {alpha:g})."
    )
    if verdict["flagged"]:
        return f"Flagged: at most {share} On average {100 * alpha:g}% of benign images are, too."
    return f"Not flagged: {share} An attack may be missed like this."


def outcome(verdict: Found) -> str:
    """In a word or two."""
    if not verdict["guaranteed"]:
        return "undecided"
    return "FLAGGED" if verdict["flagged"] else "not flagged"


def image_section(image: Found, top: float) -> str:
    """All about one image; `top` is what its heat map draws brightest."""
    verdict = image["verdict"]
    pixels = png_pixels(image["png"])
    repair = image["repair"]
    changed = [(change["row"], change["col"]) for change in image["changes"]]
    few = 0 < image["changed_pixels"] <= RINGS
    height, width = image["shape"][:2]
    caption = f"{image['name']}, {height} x {width} pixels"
    pictures = picture_markup(
        pixels, caption + (", changed pixels ringed" if few else ""), changed if few else ()
    )
    if repair:
        pictures += _suspect(pixels, repair, top)
    save = (
        f'<p class="faint">Save it without loss: <a download="{escape(image["file"], quote=True)}" '
        f'href="data:image/png;base64,{escape(image["png"], quote=True)}">'
        f"{escape(image['file'])}</a></p>"
    )
    label = f"{verdict['predicted']} ({100 * verdict['confidence']:.1f}%)"
    return (
        f"<section><h2>{escape(image['name'])}</h2>"
        f'<p class="said">Taken for <b>{escape(label)}</b>. '
        f"{escape(verdict_sentence(verdict))}</p>"
        f'<div class="row" style="margin-top:14px">{pictures}</div>{save}'
        f"{_repair_words(verdict, repair) if repair else ''}"
        f"{_certificate(pixels, image.get('certificate'))}"
        f'<div class="row"><div>{_numbers(image)}</div><div>{_probabilities(image)}</div></div>'
        f"{_layers(image['by_layers'] or verdict)}</section>"
    )


def _suspect(pixels: NDArray[np.uint8], repair: Found, top: float) -> str:
    lost = np.asarray(repair["lost"], float)
    ring = [(repair["row"], repair["col"])]
    where = f"row {repair['row']}, column {repair['col']}"
    legend = suspect_legend(top, words="lost")
    return picture_markup(pixels, f"Suspect pixel at {where}, ringed", ring) + picture_markup(
        suspect_colours(lost, top), "Probability lost when each pixel is repaired", ring, legend
    )


def _repair_words(verdict: Found, repair: Found) -> str:
    label, repaired = verdict["predicted"], repair["repaired_label"]
    words = (
        f"With the pixel at row {repair['row']}, column {repair['col']} set to the median of its "
        f"neighbours, the probability of {label} falls by {100 * repair['probability_lost']:.1f} "
        "points and "
    )
    if repaired == label:
        words += "it stays the prediction; no other repair costs more."
    else:
        words += f"the image is taken for {repaired}."
        if repair["flipping_pixels"] > 1:
            words += f" Repairing any of {repair['flipping_pixels']} pixels changes the label."
    second = (repair["verdict"] or verdict).get("second")
    if second:
        words += f" {second_words(label, second)}"
    judged = None if "suspect" in verdict else repair["verdict"]
    told = f"<p>By this repair: {escape(verdict_sentence(judged))}</p>" if judged else ""
    return f"<h3>Suspect pixel</h3><p>{escape(words)}</p>{told}"


def _certificate(pixels: NDArray[np.uint8], found: Found | None) -> str:
    """What is proven, and the holes drawn on the image; "" where nothing was asked."""
    if not found:
        return ""
    words = f"<h3>Certificate</h3><p>{escape(certificate_words(found))}</p>"
    holes = {(hole["row"], hole["col"]) for hole in found["holes"]}
    if not holes:
        return words
    caption = "The pixels where a change could pass, dotted"
    drawn = picture_markup(pixels, caption, dotted=sorted(holes))
    return f'{words}<div class="row">{drawn}</div>'


def _numbers(image: Found) -> str:
    verdict = image["verdict"]
    low, high = verdict["fpr_band"]
    threshold = verdict["threshold"]
    band = f"{100 * low:.1f} to {100 * high:.1f}% in 95 of 100 calibrations"
    rows = [
        ("score", f"{verdict['score']:.4f} (larger = more suspicious)"),
        ("threshold", "none" if threshold is None else f"{threshold:.4f}"),
        ("p-value", f"{verdict['p_value']:.4f}"),
        ("alpha", f"{verdict['alpha']:g}"),
        ("calibration images", f"{verdict['calibration_images']:,} of this class"),
        ("false alarms", band if verdict["guaranteed"] else "no guarantee"),
        ("pixels' SHA-256", image["sha256"]),
    ]
    if image["changed_pixels"]:
        rows.append(("changed pixels", f"{image['changed_pixels']:,}, known from elsewhere"))
    return f"<h3>Numbers</h3>{pairs_markup(rows)}"


def _probabilities(image: Found) -> str:
    rows = [
        Row(
            row["class"],
            (Bar(row["probability"], MUTED),),
            f"{100 * row['probability']:.2f}%",
            strong=index == 0,
        )
        for index, row in enumerate(image["probabilities"])
    ]
    markup = rows_markup(rows, label="Most probable classes")
    return f"<h3>Most probable classes</h3>{markup}"


def _layers(verdict: Found) -> str:
    if not verdict["layers"]:
        return ""
    smallest = 1 / (verdict["calibration_images"] + 1)
    full = -np.log10(min(smallest, 0.5))
    rows = []
    for layer in verdict["layers"]:
        unusual = layer["p_value"] <= verdict["alpha"]
        share = float(-np.log10(max(layer["p_value"], 1e-12)) / full)
        text = f"{'at most alpha · ' if unusual else ''}p {layer['p_value']:.4f}"
        text += f" · score {layer['score']:.3f}"
        rows.append(
            Row(layer["layer"], (Bar(share, ATTACKED if unusual else MUTED),), text, unusual)
        )
    about = "Longer = more unusual among benign images of the predicted class (log scale)."
    markup = rows_markup(rows, label="p-value of every layer")
    who = f", by {escape(verdict['detector'])}" if "detector" in verdict else ""
    layers = f'<h3>Layers{who}</h3><p class="faint">{about}</p><div class="wide">{markup}</div>'
    return layers + _units(verdict)


def _units(verdict: Found) -> str:
    heads = ["layer", "neuron", "activation", "class median", "p-value", "part of the score"]
    rows = [
        [
            unit["layer"],
            f"{unit['unit']} ({unit['reduction']})",
            f"{unit['activation']:.4g}",
            f"{unit['class_median']:.4g}",
            f"{unit['p_value']:.4f}",
            f"{unit['contribution']:.4f}",
        ]
        for unit in verdict["units"][:UNITS]
    ]
    return f"<h3>Neurons behind it</h3>{table_markup(heads, rows, numbers=(2, 3, 4, 5))}"
