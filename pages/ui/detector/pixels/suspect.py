"""Which single pixel carries the prediction: leave-one-pixel-out repair of one image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import streamlit as st

from ndcore.attacks import PixelChange
from ndcore.bundles.bundle import Bundle
from ndcore.data.pixels import image_key
from ndcore.detectors import Detector, Verdict
from ndcore.detectors.by_repair import RepairDetector
from ndcore.detectors.repair import Repairs
from ndcore.detectors.second_repair import SecondRepair
from ndcore.figures.detector.second_repair import second_words
from ndcore.figures.detector.suspect_map import suspect_colours, suspect_legend
from ndcore.statistics.intervals import Rate
from pages.ui.detector.choices import study_command
from pages.ui.detector.evidence import numbers
from pages.ui.detector.search import Subject, explained, known_second, repairs_of, seconds_of
from pages.ui.detector.side_by_side import side_by_side
from pages.ui.elements.csv_button import folded_table
from pages.ui.elements.pictures import show_image
from pages.ui.frame import loaders
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import just_linked, recall, refuse, remember
from pages.ui.frame.words import plain, verdict_sentence, with_article

WIDTH = 200
LISTED = 20
ASKED = "suspect"  # in the link


def suspect_panel(
    bundle: Bundle, best: RepairDetector, found: list[Subject], alpha: float, shown: Detector[Any]
) -> list[Repairs]:
    """Repair every pixel of every image in turn, on request, and show what it does.

    Args:
        bundle: in use.
        best: what repairs them.
        found: the images, the suspicious one last; it is shown first.
        alpha: false-positive rate of the verdict, where there is a calibration.
        shown: the detector whose verdicts are shown already; one that repairs needs no request.

    Returns:
        The repairs of these images, none before they were asked for.
    """
    st.header("Which pixel carries the prediction?")
    st.caption(
        "Every pixel in turn takes the median of its neighbours. Where one repair takes the "
        "prediction away, that pixel carried it: the suspect of a one-pixel attack."
        + (f" This is the detector “{best.title}”, which the study froze." if best.fitted else "")
    )
    height, width = bundle.shape[:2]
    # Asked for anew with other images: the link says of which it was.
    wanted = image_key(bundle.weight_hash, np.concatenate([pixels for _, pixels, _ in found]))[:12]
    if just_linked(ASKED) and recall(ASKED) != wanted:
        refuse("the search in images", [recall(ASKED)])
        remember(ASKED, "")
    if not isinstance(shown, RepairDetector) and recall(ASKED) != wanted:
        st.button(
            f"Look at all {height * width:,} pixels",
            on_click=remember,
            args=(ASKED, wanted),
            icon=":material/search:",
            key="suspect",
            type="primary" if best.fitted else "secondary",
        )
        return []
    repairs = repairs_of(bundle, best, found)
    if not repairs:
        return []
    seconds_of(bundle, best, found, repairs, alpha)
    top = max(float(one.lost.max()) for one in repairs)
    row = side_by_side("suspects", 2 * WIDTH + 24)
    for at, (subject, one) in reversed([*enumerate(zip(found, repairs, strict=True))]):
        with row.container():
            second = known_second(bundle, subject[1])
            _show(bundle, subject, one, top, at, second)
            if best.fitted and shown.name != best.name:
                _judged(bundle, subject[0], explained(bundle, best, subject[1], one, alpha))
    st.html(suspect_legend(top, words="probability of the predicted class lost"))
    _tested(bundle, best)
    return repairs


def _show(
    bundle: Bundle,
    subject: Subject,
    repairs: Repairs,
    top: float,
    at: int,
    second: SecondRepair | None,
) -> None:
    name, pixels, changes = subject
    row, col = (int(place) for place in repairs.suspect[0])
    told, caption = _words(bundle, repairs, changes, name), f"suspect at row {row}, column {col}"
    places = [(row, col)]
    if second is not None:
        classes = [plain(name) for name in bundle.classes]
        label = classes[int(repairs.predicted[0])]
        told += f" {second_words(label, second.to_dict(classes))}"
        caption += f", second at row {second.row}, column {second.col}"
        places.append((second.row, second.col))
    st.markdown(f"**{name.capitalize()} image**: {told}")
    images = st.container(horizontal=True, gap="small")
    ring = [PixelChange(*at, (), tuple(int(value) for value in pixels[at])) for at in places]
    show_image(
        pixels,
        caption,
        changes=ring,
        width=WIDTH,
        place=images.container(width=WIDTH),
    )
    show_image(
        suspect_colours(repairs.lost[0], top),
        "probability lost without each pixel",
        changes=ring,
        width=WIDTH,
        place=images.container(width=WIDTH),
    )
    key = image_key(bundle.weight_hash, pixels)
    frame = _suspects(key, bundle.classes, repairs)
    told = f"the {len(frame)} most suspicious pixels of the {name} image"
    folded_table(told, lambda: frame, f"{bundle.name}-{name}-suspects.csv", f"suspect_{at}")


def _judged(bundle: Bundle, name: str, verdict: Verdict) -> None:
    """The verdict by the repair, beside that of another detector."""
    label = plain(bundle.classes[verdict.predicted])
    st.markdown(verdict_sentence(label, name, verdict))
    low, high = verdict.fpr_band
    st.caption(
        f"{numbers(verdict)} · realised false alarms {100 * low:.1f}-{100 * high:.1f}% in 95 of "
        f"100 calibrations with {verdict.calibration_images} images"
    )


def _tested(bundle: Bundle, best: RepairDetector) -> None:
    """How often this suspect was right in the study."""
    if not best.fitted:
        st.caption(
            "No p-value: it takes the calibration images of a study. "
            f"{study_command(bundle)} makes one."
        )
        return
    study = loaders.study(bundle)
    places = {} if study is None else study.document.get("localisation", {})
    told = []
    for name in ("one-pixel", "inconspicuous"):
        if name in places:
            where = places[name]["suspect_is_the_pixel_when_detected"]
            label = places[name]["repaired_label_is_true_when_detected"]
            if where["n"]:
                told.append(
                    f"of {where['n']} caught {name} attacks the first suspect was the changed "
                    f"pixel in {Rate.of(where).text} and the repaired label the true one in "
                    f"{Rate.of(label).text}"
                )
    if told:
        st.caption(f"In the study, {'; '.join(told)}.")


def _words(bundle: Bundle, repairs: Repairs, changes: list[PixelChange], name: str) -> str:
    """The finding in words, with what is known about the truth."""
    lost, (row, col) = float(repairs.lost[0].max()), repairs.suspect[0]
    label = plain(bundle.classes[int(repairs.predicted[0])])
    repaired = plain(bundle.classes[int(repairs.repaired[0])])
    flips = int((repairs.label[0] != repairs.predicted[0]).sum())
    told = f"without the pixel at row {row}, column {col} the probability of {label} falls by "
    told += f"{100 * lost:.1f} points"
    if repaired == label:
        told += " and it stays the prediction; no other repair costs more."
    else:
        others = "" if flips == 1 else f" ({flips} pixels do so)"
        told += f" and the image is taken for {with_article(repaired)}{others}."
    if name != "benign" and changes:
        hit = any((change.row, change.col) == (row, col) for change in changes)
        told += " It is the pixel that was changed." if hit else " It is not the changed pixel."
    return told


@st.cache_resource(max_entries=64, show_spinner=False)
@known_signature
def _suspects(key: str, classes: tuple[str, ...], _repairs: Repairs) -> pa.Table:
    return pa.Table.from_pandas(suspect_table(classes, _repairs), preserve_index=False)


def suspect_table(classes: Sequence[str], repairs: Repairs) -> pd.DataFrame:
    """The most suspicious pixels of one image, the first the suspect."""
    drop, lost, label = repairs.drop[0], repairs.lost[0], repairs.label[0]
    order = np.argsort(-drop, axis=None, kind="stable")[:LISTED]
    rows, cols = np.unravel_index(order, drop.shape)
    return pd.DataFrame(
        {
            "row": rows,
            "column": cols,
            "probability lost": lost[rows, cols],
            "log-odds lost": drop[rows, cols],
            "taken for": [classes[int(i)] for i in label[rows, cols]],
            "in float32": repairs.exact[0][rows, cols],
        }
    )
