"""What every page does first: title, warm-up, the chosen bundle, and what the link says."""

from __future__ import annotations

import gc
import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read once, when torch is loaded

import streamlit as st
import torch

from ndcore.bundles.bundle import Bundle
from ndcore.errors import NeuralDivergenceError
from ndcore.figures.style.palette import ACCENT, PAGES
from ndcore.jobs.log import log_events
from ndcore.jobs.memory import few_heaps, watch
from ndcore.networks.evaluator import let_go
from ndcore.settings import settings
from ndcore.statistics.intervals import Rate
from ndcore.storage.places import ROOT
from pages.ui.components.one_page_history import one_page_history
from pages.ui.frame import loaders
from pages.ui.frame.gate import gate
from pages.ui.frame.job_bar import running_jobs
from pages.ui.frame.link import choice
from pages.ui.frame.posture import is_served, stay_at_home
from pages.ui.frame.uploads import bound_uploads
from pages.ui.frame.words import sentence

DEFAULT_BUNDLE = "cifar10-vgg16"
# A file, because named icons are fetched from the internet for the browser tab.
ICON = ROOT / ".assets" / "icon.png"
_FAINT, _ON_PRIMARY = (
    f"light-dark({light}, {dark})"
    for light, dark in (
        (PAGES["light"]["faint"], PAGES["dark"]["faint"]),
        (PAGES["light"]["page"], PAGES["dark"]["page"]),
    )
)
# Pictures stand higher than Streamlit's 6rem, and the gaps of what is not seen, let them. What has
# the focus is framed in a colour that stands out from the pages of both themes; boxes to tick and
# switches are unseen themselves, so their labels are framed. Links to headings are no stops on the
# way. Faint words and those on the main button are as legible as others.
STYLE = f"""<style>
.stMainBlockContainer{{padding-top:4rem}}
.st-key-one_page_history{{position:absolute;width:0;overflow:hidden}}
.stHeading h1{{padding-top:.25rem}}
:focus-visible,label:has(:focus-visible){{outline:2px solid {ACCENT}!important;outline-offset:2px}}
[data-testid="stHeaderActionElements"]{{display:none}}
[data-testid="stCaptionContainer"]{{color:{_FAINT}!important;opacity:1!important}}
.picture{{margin:0}}
.picture figcaption{{color:{_FAINT};font-size:.875rem;margin-top:.5rem}}
[kind="primary"],[kind="primary"]:is(:hover,:focus,:active){{color:{_ON_PRIMARY}}}
</style>"""


@st.cache_resource
def _warm_up() -> None:
    """Once per server: leave a core to the pages, and keep library objects out of collections."""
    torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
    stay_at_home()
    if is_served():
        few_heaps()
        watch(let_go)
        log_events(as_json=settings().log == "json")
    gc.collect()
    gc.freeze()


def setup(title: str) -> Bundle | None:
    """Start a page.

    Args:
        title: of the page and its browser tab.

    Returns:
        The chosen bundle, or None when there is none to open; the page has then said what to do.
    """
    st.set_page_config(
        page_title=f"{title} · Neural Divergence", page_icon=str(ICON), layout="wide"
    )
    st.logo(str(ICON), size="large")
    st.html(STYLE)
    try:
        gate()
    except NeuralDivergenceError as error:
        st.error(sentence(error))
        st.stop()
    one_page_history()
    _warm_up()
    bound_uploads()
    names = [info.name for info in loaders.bundle_list()]
    if not names:
        st.sidebar.warning("No bundle is ready.")
        st.title(title)
        st.info(
            "There is no bundle yet. Build the small one from nothing with "
            "`python -m ndcore build digits-cnn`, then reload this page."
        )
        return None
    name = choice(
        st.sidebar.selectbox,
        "Bundle",
        names,
        key="bundle",
        default=DEFAULT_BUNDLE if DEFAULT_BUNDLE in names else names[0],
    )
    try:
        bundle = loaders.bundle(name)
    except NeuralDivergenceError as error:
        st.title(title)
        st.error(sentence(error))
        return None
    with st.sidebar:
        accuracy = Rate.of(bundle.manifest["accuracy"], "accuracy")
        st.caption(
            f"One model and its data set. Accuracy {accuracy.percent()} on {accuracy.n:,} "
            f"held-out images (95% interval {accuracy.interval()})."
        )
        running_jobs(title)
    return bundle
