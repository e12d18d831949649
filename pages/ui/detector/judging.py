"""Verdicts on the page, each made once per server: by the leading detector, and by all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import streamlit as st
from numpy.typing import NDArray

from ndcore.bundles.bundle import Bundle
from ndcore.data.pixels import image_key
from ndcore.detectors import Detector, Verdict
from ndcore.detectors.by_repair import RepairDetector
from ndcore.study.calibrated import Detectors
from pages.ui.detector.search import Subject, explained, repairs_of
from pages.ui.frame import loaders
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.words import capital

WAITS = "…"


def verdicts_by(
    bundle: Bundle, detector: Detector[Any], found: Sequence[Subject], alpha: float
) -> list[Verdict]:
    """One for each image; none while its pixels are being searched, which the page then shows."""
    if isinstance(detector, RepairDetector):
        repairs = repairs_of(bundle, detector, found)
        return [
            explained(bundle, detector, pixels, one, alpha)
            for (_, pixels, _), one in zip(found, repairs, strict=bool(repairs))
        ]
    return [_verdict_on(bundle, detector, pixels, alpha) for _, pixels, _ in found]


def _verdict_on(
    bundle: Bundle, detector: Detector[Any], pixels: NDArray[Any], alpha: float
) -> Verdict:
    key = image_key(bundle.weight_hash, pixels)
    return _judged(detector.name, detector.calibration.digest, key, alpha, bundle, detector, pixels)


@st.cache_resource(max_entries=1024, show_spinner=False)
@known_signature
def _judged(
    name: str,
    calibrated: str,
    key: str,
    alpha: float,
    _bundle: Bundle,
    _detector: Detector[Any],
    _pixels: NDArray[Any],
) -> Verdict:
    found: Verdict = _detector.explain(loaders.seen(_bundle, _detector, _pixels), alpha)[0]
    return found


def others_table(
    here: Detectors, leading: str, found: Sequence[Subject], alpha: float, *, searched: bool
) -> pa.Table:
    """What every other detector says of the images, as the browser gets it; those that wait for
    the search say so."""
    weights = here.bundle.weight_hash
    named = tuple((name, image_key(weights, pixels)) for name, pixels, _ in found)
    return _others(weights, here.digest, leading, named, alpha, searched, here, found)


@st.cache_resource(max_entries=64, show_spinner=False)
@known_signature
def _others(
    weights: str,
    calibrated: str,
    leading: str,
    named: tuple[tuple[str, str], ...],
    alpha: float,
    searched: bool,
    _here: Detectors,
    _found: Sequence[Subject],
) -> pa.Table:
    rows = []
    for name, entry in _here.entries.items():
        if name == leading:
            continue
        detector = _here.open(name)
        waits = isinstance(detector, RepairDetector) and not searched
        told = [] if waits else verdicts_by(_here.bundle, detector, _found, alpha)
        words = [_outcome(verdict) for verdict in told] or [WAITS] * len(_found)
        images = [f"{subject[0]} image" for subject in _found]
        row = {"Flagged by other detectors?": capital(entry.title)}
        rows.append(row | dict(zip(images, words, strict=True)))
    return pa.Table.from_pandas(pd.DataFrame(rows), preserve_index=False)


def _outcome(verdict: Verdict) -> str:
    if not verdict.guaranteed:
        return ":orange-badge[undecided]"
    return ":red-badge[flagged]" if verdict.flagged else "no"
