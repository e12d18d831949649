"""The guided story: a slim banner on each page while the link says `story=1` to `4`."""

from __future__ import annotations

import streamlit as st

from pages.ui.frame.link import recall, refuse, remember
from pages.ui.frame.page_list import PAGES, Page

STORY = "story"  # in the link
# One for each of the first pages, in their order: name, and what to look at.
STEPS = (
    ("The attack", "press “Attack”; a search changes one pixel until the network errs."),
    ("The neurons", "open the three views one by one; each answers its question."),
    ("The verdict", "could the attack have been noticed? Read the answer below."),
    (
        "How it came about",
        "another network, lenet, while it learned: when each layer began to tell classes apart.",
    ),
)


def story_banner(page: Page) -> bool:
    """Its step on this page, and the buttons to the next and out; whether the story is told."""
    asked = recall(STORY)
    if not asked:
        return False
    if asked not in [str(step) for step in range(1, len(STEPS) + 1)]:
        refuse("The step of the story", [asked])
        remember(STORY, "")
        return False
    at = PAGES.index(page)
    remember(STORY, str(at + 1))
    name, look = STEPS[at]
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="story"):
        st.markdown(f"**Step {at + 1} of {len(STEPS)} · {name}**: {look}", width="stretch")
        if at + 1 < len(STEPS) and st.button(
            f"Next: {STEPS[at + 1][0].lower()}",
            icon=":material/arrow_forward:",
            type="primary",
            key="story_next",
        ):
            st.switch_page(PAGES[at + 1].path)
        st.button(
            "Close" if at + 1 < len(STEPS) else "End the story",
            icon=":material/close:",
            type="tertiary",
            on_click=remember,
            args=(STORY, ""),
            key="story_close",
        )
    return True
