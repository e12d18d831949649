"""A case file as one HTML page: no script, nothing fetched, legible in light and dark.

Names come from anywhere and are escaped; a policy in the page's head forbids the browser to load
anything but what the page itself carries.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ndcore.data.decode import encode_png
from ndcore.figures.detector.case_style import POLICY, STYLE
from ndcore.figures.detector.certificate import certificate_words
from ndcore.figures.detector.suspect_map import suspect_colours, suspect_legend
from ndcore.figures.style.difference import amplified_difference
from ndcore.figures.style.palette import ATTACKED, MUTED
from ndcore.figures.style.pixel_image import pixel_image
from ndcore.figures.style.rows import Bar, Row, rows_markup

SIDE = 256  # pixels of an enlarged image, about
UNITS = 12
RINGS = 5
Found = Mapping[str, Any]


def case_page(document: Found) -> str:
    """The whole page.

    Args:
        document: of `ndcore.analysis.case_file.case_document`.
    """
    images = document["images"]
    title = f"Case file: {images[0]['name'] if len(images) == 1 else f'{len(images)} images'}"
    provenance = document["provenance"]
    about = (
        f"Judged by the detector {provenance['detector']} of the bundle {provenance['bundle']} at "
        f"{provenance['created']}. p-values count benign images of the same predicted class that "
        "score as high; the threshold was fixed on them, never on attacks."
    )
    # One scale for all heat maps: beside an attacked image a benign one is to look harmless.
    top = max([1e-9, *(image["repair"]["probability_lost"] for image in images if image["repair"])])
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="faint">{escape(about)}</p>',
        _overview(images) if len(images) > 1 else "",
        _difference(document) if document["difference"] else "",
        *(_image(image, top) for image in images),
        _provenance(document),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def verdict_sentence(verdict: Found) -> str:
    """The verdict in words, without more confidence than the numbers carry.

    Args:
        verdict: as `ndcore.detectors.Verdict.to_dict` gives it.
    """
    label, alpha = verdict["predicted"], verdict["alpha"]
    count = verdict["calibration_images"]
    if not verdict["guaranteed"]:
        return (
            f"Undecided: {count} benign calibration images taken for {label} are too few for a "
            f"false-positive rate of {100 * alpha:g}%, so nothing is flagged."
        )
    share = (
        f"{100 * verdict['p_value']:.1f}% of benign images taken for {label} score as high "
        f"(p = {verdict['p_value']:.4f}, alpha = {alpha:g})."
    )
    if verdict["flagged"]:
        return f"Flagged: only {share} On average {100 * alpha:g}% of benign images are, too."
    return f"Not flagged: {share} An attack may be missed like this."


def _outcome(verdict: Found) -> str:
    if not verdict["guaranteed"]:
        return "undecided"
    return "FLAGGED" if verdict["flagged"] else "not flagged"


def _overview(images: Sequence[Found]) -> str:
    rows = [
        [
            image["name"],
            image["verdict"]["predicted"],
            f"{100 * image['verdict']['confidence']:.1f}%",
            _outcome(image["verdict"]),
            f"{image['verdict']['p_value']:.4f}",
            f"{image['verdict']['score']:.3f}",
        ]
        for image in images
    ]
    heads = ["image", "taken for", "confidence", "verdict", "p-value", "score"]
    return _table(heads, rows, numbers=(2, 4, 5))


def _difference(document: Found) -> str:
    found = document["difference"]
    before, after = (_pixels(image["png"]) for image in document["images"])
    grey, gain = amplified_difference(before, after)
    count = found["changed_pixels"]
    if not count:
        return "<h2>Difference</h2><p>The two images are the same, pixel by pixel.</p>"
    what = "1 pixel differs" if count == 1 else f"{count:,} pixels differ"
    words = f"{what} between {found['of'][0]} and {found['of'][1]}, by up to "
    words += f"{found['largest_change']} of 255 in a channel."
    caption = "Difference around mid grey" + (f", enlarged {gain:.3g} times" if gain > 1 else "")
    ringed = [(change["row"], change["col"]) for change in found["changes"]]
    return (
        f'<section><h2>Difference</h2><p>{escape(words)}</p><div class="row">'
        f"{_picture(grey, caption, ringed if count <= RINGS else ())}"
        f"<div>{_changes(found)}</div></div></section>"
    )


def _changes(found: Found) -> str:
    rows = [
        [str(c["row"]), str(c["col"]), _colour(c["rgb_before"]), _colour(c["rgb_after"])]
        for c in found["changes"]
    ]
    more = found["changed_pixels"] - len(rows)
    note = f'<p class="faint">and {more:,} more</p>' if more > 0 else ""
    return _table(["row", "column", "before", "after"], rows, numbers=(0, 1)) + note


def _colour(values: Sequence[int]) -> str:
    if len(values) == 1:
        return f"grey {values[0]}"
    return f"RGB ({', '.join(str(value) for value in values)})"


def _image(image: Found, top: float) -> str:
    verdict = image["verdict"]
    pixels = _pixels(image["png"])
    repair = image["repair"]
    changed = [(change["row"], change["col"]) for change in image["changes"]]
    few = 0 < image["changed_pixels"] <= RINGS
    height, width = image["shape"][:2]
    caption = f"{image['name']}, {height} x {width} pixels"
    pictures = _picture(
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
    return _picture(pixels, f"Suspect pixel at {where}, ringed", ring) + _picture(
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
    drawn = _picture(pixels, caption, dotted=sorted(holes))
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
        ("false-positive rate", band if verdict["guaranteed"] else "no guarantee"),
        ("pixels' SHA-256", image["sha256"]),
    ]
    if image["changed_pixels"]:
        rows.append(("changed pixels", f"{image['changed_pixels']:,}, known from elsewhere"))
    return f"<h3>Numbers</h3>{_pairs(rows)}"


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
    return f"<h3>Neurons behind it</h3>{_table(heads, rows, numbers=(2, 3, 4, 5))}"


def _provenance(document: Found) -> str:
    found = document["provenance"]
    rows = [
        ("bundle", found["bundle"]),
        ("model", found["model"]),
        ("weights (SHA-256)", found["weight_hash"]),
        ("detector", found["detector"]),
        ("seed of the bundle", str(found["seed"])),
        ("versions", ", ".join(f"{name} {v}" for name, v in found["versions"].items())),
        ("written (UTC)", found["created"]),
    ]
    return (
        f"<section><h2>Provenance</h2>{_pairs(rows)}<h3>The same again</h3>"
        f"<pre>{escape(found['command'])}</pre></section>"
    )


def _pairs(rows: Sequence[tuple[str, str]]) -> str:
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f"<dl>{lines}</dl>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int]) -> str:
    kinds = [' class="n"' if index in numbers else "" for index in range(len(heads))]
    head = "".join(
        f"<th{kind}>{escape(text)}</th>" for kind, text in zip(kinds, heads, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{escape(text)}</td>" for kind, text in zip(kinds, row, strict=True))
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table class="data"><tr>{head}</tr>{body}</table></div>'


def _picture(
    pixels: NDArray[np.uint8],
    caption: str,
    ringed: Sequence[tuple[int, int]] = (),
    legend: str = "",
    dotted: Sequence[tuple[int, int]] = (),
) -> str:
    height, width = pixels.shape[:2]
    markup = pixel_image(
        encode_png(pixels, max(1, SIDE // max(height, width))),
        (height, width),
        label=caption,
        ringed=ringed,
        candidates=dotted,
    )
    return f"<figure>{markup}<figcaption>{escape(caption)}</figcaption>{legend}</figure>"


def _pixels(png: str) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(base64.b64decode(png)), formats=("PNG",)) as image:
        pixels = np.asarray(image, np.uint8)
    return pixels[..., None] if pixels.ndim == 2 else pixels
