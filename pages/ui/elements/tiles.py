"""Small images in a row, each of them a control: a click anywhere on one counts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ndcore.figures.style.palette import ACCENT
from ndcore.figures.style.pixel_image import data_uri

TILES = '[class*="st-key-tile_"]'
# The control's own hit area is the tile. Its picture stands before its words; its box lies on it.
STYLE = f"""
{TILES} {{ position: relative; }}
{TILES} :is(label, button)::before {{ content: ""; display: block; width: 100%; aspect-ratio: 1;
  flex: none; border-radius: 5px;
  background: center / contain no-repeat; }}
{TILES} :is(label, button) {{ display: flex; flex-direction: column; align-items: stretch; gap: 3px;
  width: 100%; max-width: 100%; min-width: 0; min-height: 0; margin: 0; padding: 0;
  cursor: pointer; }}
{TILES} label > div:not([data-testid]) {{ position: absolute; top: 3px; left: 3px; margin: 0; }}
{TILES} p {{ font-size: 11px; line-height: 1.3; overflow: hidden; overflow-wrap: anywhere;
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; }}
{TILES} [data-testid="stWidgetLabel"] {{ max-width: 100%; margin: 0; padding: 0; min-height: 0;
  min-width: 0; }}
{TILES} button {{ background: none; border: 0; color: inherit; }}
{TILES} :is(label:has(input:checked), button[kind="primary"])::before {{
  outline: 3px solid {ACCENT}; }}
@media (max-width: 1200px) {{ [class*="st-key-tiles_"] {{ flex-wrap: nowrap; overflow-x: auto;
  padding: 6px; }} }}
{TILES}:has(:focus-visible) {{ outline: 2px solid {ACCENT}; outline-offset: 4px; }}
"""


def tile_row(row: str, pictures: Mapping[str, bytes]) -> DeltaGenerator:
    """A place for tiles: lines of them, one line to scroll where the page is narrow.

    Put a checkbox or button into it for each picture, with the key `tile_key(row, name)` and a
    width.

    Args:
        row: its name, of letters, digits and `_`.
        pictures: PNG by name.
    """
    # All pictures are one message, which a browser that has it is not sent again.
    drawn = "\n".join(
        f".st-key-{tile_key(row, name)} :is(label, button)::before "
        f"{{ background-image: url({data_uri('png', png)}); }}"
        for name, png in pictures.items()
    )
    st.html(f"<style>{STYLE}{drawn}</style>")
    return st.container(horizontal=True, gap="xsmall", key=f"tiles_{row}")


def tile_key(row: str, name: str) -> str:
    """The key of the control of a tile; no name is markup or another's."""
    return f"tile_{row}_{hashlib.sha256(name.encode()).hexdigest()[:12]}"
