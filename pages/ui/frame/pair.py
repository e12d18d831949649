"""The pair of images that all pages speak of."""

from __future__ import annotations

import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.data.pairs import Pair
from ndcore.errors import BadRequestError, NeuralDivergenceError
from pages.ui.frame import loaders
from pages.ui.frame.link import recall, remember
from pages.ui.frame.words import sentence

NONE = "-"  # in the link: the pair was taken away


def keep_pair(bundle: Bundle, pair: Pair) -> None:
    """Make `pair` the current one on every page, instead of the one before."""
    st.session_state["pair"] = (bundle.name, pair)
    remember("pair", pair.token())


def drop_pair() -> None:
    """No pair is current any more."""
    st.session_state.pop("pair", None)
    remember("pair", NONE)


def no_pair_wanted() -> bool:
    """Whether the user or the link took the pair away, instead of never choosing one."""
    return recall("pair") == NONE


def linked_pair(bundle: Bundle, token: str) -> Pair:
    """What a link says of a pair or an image.

    Raises:
        BadRequestError: nothing can be asked of its changed image.
        NeuralDivergenceError: see `Pair.from_token`.
    """
    pair = Pair.from_token(token, bundle.shape, loaders.find(bundle))
    if bundle.unasked and pair.attacked is not None:
        raise BadRequestError(bundle.unasked)
    return pair


def current_pair(bundle: Bundle) -> Pair | None:
    """The pair of the link or of this session; a link that cannot be followed says why, once."""
    held = st.session_state.get("pair")
    pair: Pair | None = held[1] if held and held[0] == bundle.name else None
    token = st.query_params.get("pair", "")
    if token == NONE:
        drop_pair()
        return None
    if token not in ("", pair.token() if pair else ""):
        try:
            pair = linked_pair(bundle, token)
            st.session_state["pair"] = (bundle.name, pair)
        except NeuralDivergenceError as error:
            st.error(sentence(f"the pair in the link cannot be shown: {error}"))
    remember("pair", pair.token() if pair else NONE if recall("pair") == NONE else "")
    return pair
