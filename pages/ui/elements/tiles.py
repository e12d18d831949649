"""Small images in a row, each of them a control: a click anywhere on one counts."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ndcore.figures.style.palette import ACCENT

TILES = '[class*="st-key-tile_"]'
# The control's own hit area grows to the tile, its box lies on the image, and its words stay. An
# image has its place before it is drawn.
STYLE = f"""<style>
{TILES} {{ position: relative; }}
{TILES} img {{ border-radius: 5px; width: 100%; aspect-ratio: auto 1; }}
{TILES} .stElementToolbar {{ display: none; }}
{TILES} :is(label, button)::after {{ content: ""; position: absolute; inset: 0; cursor: pointer; }}
{TILES} :is(label, .stCheckbox, .stButton, .stElementContainer) {{ position: static; }}
{TILES} label > div:not([data-testid]) {{ position: absolute; top: 3px; left: 3px; margin: 0; }}
{TILES} p {{ font-size: 11px; line-height: 1.3; overflow: hidden; overflow-wrap: anywhere;
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; }}
{TILES} :is(label, button), {TILES} [data-testid="stWidgetLabel"] {{ max-width: 100%; margin: 0;
  padding: 0; min-height: 0; min-width: 0; }}
{TILES} button {{ background: none; border: 0; color: inherit; }}
{TILES}:has(input:checked, [kind="primary"]) img {{ outline: 3px solid {ACCENT}; }}
@media (max-width: 1200px) {{ [class*="st-key-tiles_"] {{ flex-wrap: nowrap; overflow-x: auto;
  padding: 6px; }} }}
{TILES}:has(:focus-visible) {{ outline: 2px solid {ACCENT}; outline-offset: 4px; }}
</style>"""


def tile_row(key: str) -> DeltaGenerator:
    """A place for tiles: lines of them, one line to scroll where the page is narrow."""
    st.html(STYLE)
    return st.container(horizontal=True, gap="xsmall", key=f"tiles_{key}")


def tile(row: DeltaGenerator, key: str, image: bytes, *, width: int) -> DeltaGenerator:
    """An image of a row; put one checkbox or button into the place that comes back."""
    place = row.container(width=width, gap=None, key=f"tile_{key}")
    place.image(image, width="stretch", alt="", output_format="PNG")
    return place
