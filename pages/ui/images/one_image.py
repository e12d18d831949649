"""One image of a source: its class, and its number among those of that class."""

from __future__ import annotations

import numpy as np
from streamlit.delta_generator import DeltaGenerator

from ndcore.bundles.bundle import Bundle
from pages.ui.frame import loaders
from pages.ui.frame.link import choice, number

ANY = "all classes"
WIDTH = 170


def one_image(bundle: Bundle, name: str, bar: DeltaGenerator, key: str) -> int:
    """Controls in `bar`; returns the position in the source.

    Args:
        bundle, name: of the source.
        bar: where the controls go.
        key: of the controls, and of what the link holds: `KEY_class` and `KEY_number`.
    """
    source = loaders.source(name, bundle)
    present = np.unique(source.labels)
    classes = [ANY, *(bundle.classes[label] for label in present)]
    label = choice(
        bar.selectbox, "Class", classes, key=f"{key}_class_{name}", name=f"{key}_class", width=WIDTH
    )
    members = np.arange(len(source))
    if label != ANY:
        members = np.flatnonzero(source.labels == bundle.classes.index(label))
    at = number(
        bar.number_input,
        f"Image, 0 to {len(members) - 1:,}",
        0,
        len(members) - 1,
        0,
        key=f"{key}_{name}",
        name=f"{key}_number",
        width=WIDTH,
    )
    return int(members[at])
