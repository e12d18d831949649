"""The verdicts on a page as a case file: one HTML page that opens anywhere, or JSON."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ndcore.analysis.case_file import Case, case_document, image_files
from ndcore.bundles.bundle import Bundle
from ndcore.detectors import Verdict
from ndcore.detectors.by_repair import RepairDetector
from ndcore.detectors.repair import Repairs
from ndcore.figures.detector.case.files import case_bytes
from pages.ui.detector.search import Subject, explained, known_second
from pages.ui.elements.certificate import known_certificate
from pages.ui.elements.download import download


def case_file_buttons(
    bundle: Bundle,
    detector: str,
    found: Sequence[Subject],
    verdicts: Sequence[Verdict],
    best: RepairDetector,
    repairs: Sequence[Repairs],
    by_layers: Sequence[tuple[str, Verdict]],
) -> None:
    """Two buttons; a file is made when its button is pressed.

    Args:
        bundle: in use.
        detector: name.
        found: name, pixels and known changes of each image; verdicts: on them.
        repairs: of each image, by `best`; may be empty.
        by_layers: by name a detector of layers, where `verdicts` have none; may be empty.
    """
    alpha = verdicts[0].alpha
    command = ["python", "-m", "ndcore", "detect", *image_files([name for name, *_ in found])]
    command += ["--bundle", bundle.name, "--detector", detector]
    command += ["--alpha", f"{alpha:g}", "--case-file", "case.html"]
    command += [] if repairs else ["--no-repair"]

    def made(kind: str) -> bytes:
        cases = [
            Case(
                name=name,
                pixels=pixels,
                verdict=verdict,
                changes=() if name == "benign" else tuple(changes),
                repairs=repairs[i] if repairs else None,
                by_repair=_by_repair(bundle, best, pixels, repairs[i], alpha) if repairs else None,
                by_layers=by_layers[i] if by_layers else None,
                certificate=known_certificate(bundle, pixels),
            )
            for i, ((name, pixels, changes), verdict) in enumerate(
                zip(found, verdicts, strict=True)
            )
        ]
        document = case_document(bundle, detector, cases, command=shlex.join(command))
        return case_bytes(document, kind)

    row = st.container(horizontal=True)
    for kind, label in (("html", "Case file (HTML)"), ("json", "Case file (JSON)")):
        download(
            label,
            partial(made, kind),
            f"{bundle.name}-case.{kind}",
            key=f"case_{kind}",
            place=row,
            icon=":material/folder_open:",
        )
    without = "" if repairs else " The search for the suspect pixel joins it once it was made."
    st.caption(
        "A case file holds the images, the evidence and where they come from; the HTML opens by "
        f"itself, with no network.{without}"
    )


def _by_repair(
    bundle: Bundle, best: RepairDetector, pixels: NDArray[np.uint8], repairs: Repairs, alpha: float
) -> Verdict | None:
    """The verdict of the repair, with the second one where there was need of it."""
    if not best.fitted:
        return None
    found = explained(bundle, best, pixels, repairs, alpha)
    return replace(found, second=known_second(bundle, pixels)) if best.asks_again(found) else found
