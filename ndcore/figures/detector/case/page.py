"""A case file as one HTML page: no script, nothing fetched, legible in light and dark.

Names come from anywhere and are escaped; a policy in the page's head forbids the browser to load
anything but what the page itself carries.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ndcore.figures.detector.case.image import RINGS, Found, image_section, outcome
from ndcore.figures.detector.case.markup import (
    pairs_markup,
    picture_markup,
    png_pixels,
    table_markup,
)
from ndcore.figures.detector.case.style import POLICY, STYLE
from ndcore.figures.style.difference import amplified_difference, difference_words
from ndcore.legible.plurals import counted


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
        *(image_section(image, top) for image in images),
        _provenance(document),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _overview(images: Sequence[Found]) -> str:
    rows = [
        [
            image["name"],
            image["verdict"]["predicted"],
            f"{100 * image['verdict']['confidence']:.1f}%",
            outcome(image["verdict"]),
            f"{image['verdict']['p_value']:.4f}",
            f"{image['verdict']['score']:.3f}",
        ]
        for image in images
    ]
    heads = ["image", "taken for", "confidence", "verdict", "p-value", "score"]
    return table_markup(heads, rows, numbers=(2, 4, 5))


def _difference(document: Found) -> str:
    found = document["difference"]
    before, after = (png_pixels(image["png"]) for image in document["images"])
    grey, gain = amplified_difference(before, after)
    count = found["changed_pixels"]
    if not count:
        return "<h2>Difference</h2><p>The two images are the same, pixel by pixel.</p>"
    what = counted(count, "pixel differs", "pixels differ")
    words = f"{what} between {found['of'][0]} and {found['of'][1]}, by up to "
    words += f"{found['largest_change']} of 255 in a channel."
    caption = difference_words(gain)
    ringed = [(change["row"], change["col"]) for change in found["changes"]]
    return (
        f'<section><h2>Difference</h2><p>{escape(words)}</p><div class="row">'
        f"{picture_markup(grey, caption, ringed if count <= RINGS else ())}"
        f"<div>{_changes(found)}</div></div></section>"
    )


def _changes(found: Found) -> str:
    rows = [
        [str(c["row"]), str(c["col"]), _colour(c["rgb_before"]), _colour(c["rgb_after"])]
        for c in found["changes"]
    ]
    more = found["changed_pixels"] - len(rows)
    note = f'<p class="faint">and {more:,} more</p>' if more > 0 else ""
    return table_markup(["row", "column", "before", "after"], rows, numbers=(0, 1)) + note


def _colour(values: Sequence[int]) -> str:
    if len(values) == 1:
        return f"grey {values[0]}"
    return f"RGB ({', '.join(str(value) for value in values)})"


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
        f"<section><h2>Provenance</h2>{pairs_markup(rows)}<h3>The same again</h3>"
        f"<pre>{escape(found['command'])}</pre></section>"
    )
