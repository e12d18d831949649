"""The Attack Lab's two panes: what to attack and how, and beside it what came of it."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

WRAPPER = '[data-testid="stLayoutWrapper"]'
BY_HAND = '[class*="st-key-by_hand_"]'
PICTURES = '[class*="st-key-pictures_"]'
COURSE = 76  # CSS pixels: three lines of words, or a bar with its button
STYLE = f"""<style>
{WRAPPER}:has(> .st-key-lab_choose) {{ flex: 0 1 auto; }}
{WRAPPER}:has(> .st-key-lab_result) {{ flex: 1 1 460px; min-width: min(460px, 100%); }}
{PICTURES} > {WRAPPER} {{ flex: 1 1 105px; max-width: 240px; }}
{PICTURES} > {WRAPPER}:has(.stPlotlyChart) {{ flex: 2 1 400px; max-width: 640px; }}
.st-key-lab_course {{ min-height: {COURSE}px; }}
{BY_HAND} > {WRAPPER} {{ flex: 1 1 270px; max-width: 470px; }}
@media (max-width: 1200px) {{ {WRAPPER}:has(> .st-key-lab_choose) {{ flex: 1 1 100%; }}
  .st-key-lab_choose {{ width: 100%; }} }}
</style>"""


def beside(width: int = 300) -> tuple[DeltaGenerator, DeltaGenerator]:
    """The narrow pane to choose in and the wide one for what comes of it."""
    st.html(STYLE)
    row = st.container(horizontal=True, gap="medium", key="lab")
    return row.container(width=width, key="lab_choose"), row.container(key="lab_result")
