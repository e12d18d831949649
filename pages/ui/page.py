"""What every page does first: title, warm-up, the chosen bundle, and what the link says."""

from __future__ import annotations

import gc
import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read once, when torch is loaded

import streamlit as st
import torch

from ndcore.bundle import Bundle, list_bundles
from ndcore.errors import NeuralDivergenceError
from ndcore.pairs import Pair
from pages.ui import loaders
from pages.ui.words import sentence

__all__ = [
    "current_pair",
    "drop_pair",
    "just_linked",
    "keep_pair",
    "recall",
    "remember",
    "setup",
]

DEFAULT_BUNDLE = "cifar10-vgg16"
# A file, because named icons are fetched from the internet for the browser tab.
ICON = Path(__file__).resolve().parents[2] / ".assets" / "icon.png"


@st.cache_resource
def _warm_up() -> None:
    """Once per server: leave a core to the pages, and keep library objects out of collections."""
    torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
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
    _warm_up()
    infos = {info.name: info for info in list_bundles()}
    with st.sidebar:
        if not infos:
            st.warning("No bundle is ready.")
            name = ""
        else:
            wanted = recall("bundle", DEFAULT_BUNDLE)
            names = list(infos)
            index = names.index(wanted) if wanted in names else 0
            name = st.selectbox(
                "Bundle", names, index=index, key="bundle", help="One model and its data set."
            )
    if not name:
        st.title(title)
        st.info(
            "There is no bundle yet. Build the small one from nothing with "
            "`python -m ndcore build digits-cnn`, then reload this page."
        )
        return None
    asked = st.query_params.get("bundle", name)
    remember("bundle", name)
    try:
        bundle = loaders.bundle(name)
    except NeuralDivergenceError as error:
        st.title(title)
        st.error(sentence(error))
        return None
    if asked not in infos:
        st.warning(f"The link names a bundle that is not here; showing {name}.")
    with st.sidebar:
        accuracy = bundle.manifest["accuracy"]
        low, high = accuracy["ci95"]
        st.caption(
            f"Accuracy {100 * accuracy['accuracy']:.1f}% on {accuracy['n']:,} held-out images "
            f"(95% interval {100 * low:.1f}-{100 * high:.1f}%)."
        )
    return bundle


def recall(name: str, default: str = "") -> str:
    """A choice from the link, else from this session, else the default."""
    if name in st.query_params:
        return str(st.query_params[name])
    return str(st.session_state.get(f"kept_{name}", default))


def just_linked(name: str) -> bool:
    """Whether the link holds a choice that this session did not put there: it was followed."""
    value = st.query_params.get(name)
    return value is not None and value != st.session_state.get(f"kept_{name}")


def remember(name: str, value: str) -> None:
    """Keep a choice for the other pages and put it into the link; "" takes it out."""
    st.session_state[f"kept_{name}"] = value
    if value:
        if st.query_params.get(name) != value:
            st.query_params[name] = value
    elif name in st.query_params:
        del st.query_params[name]


def keep_pair(bundle: Bundle, pair: Pair) -> None:
    """Make `pair` the current one on every page, instead of the one before."""
    st.session_state["pair"] = (bundle.name, pair)
    remember("pair", pair.token())


def drop_pair() -> None:
    """No pair is current any more."""
    st.session_state.pop("pair", None)
    remember("pair", "")


def current_pair(bundle: Bundle) -> Pair | None:
    """The pair of the link or of this session; a link that cannot be followed says why, once."""
    held = st.session_state.get("pair")
    pair: Pair | None = held[1] if held and held[0] == bundle.name else None
    token = st.query_params.get("pair", "")
    if token not in ("", pair.token() if pair else ""):
        try:
            pair = Pair.from_token(token, bundle.shape)
            st.session_state["pair"] = (bundle.name, pair)
        except NeuralDivergenceError as error:
            st.error(f"The pair in the link cannot be shown: {error}.")
    remember("pair", pair.token() if pair else "")
    return pair
