"""Attack Lab: change one pixel and watch the prediction flip, or fail to."""

from __future__ import annotations

import streamlit as st

from ndcore.attacks import ENGINES, AttackConfig
from ndcore.bundle import Bundle
from ndcore.errors import NeuralDivergenceError
from pages.ui.attacking import current_job, start, watch
from pages.ui.choosing import Choice, choose_from_source, source_picker, upload
from pages.ui.gallery import choose_from_gallery
from pages.ui.page import recall, setup
from pages.ui.results import show_one, show_table

QUERIES = (500, 1000, 2000, 4000, 10_000, 40_400)


def choose(bundle: Bundle) -> Choice | None:
    """The images to attack, from whichever source is picked."""
    source = source_picker(bundle, ["gallery", "upload"])
    if source == "upload":
        return upload(bundle, "attack_upload")
    if source == "gallery":
        choose_from_gallery(bundle)
        return None
    return choose_from_source(bundle, source, recall("images").split(","))


def configure(bundle: Bundle) -> AttackConfig | None:
    """The attack's settings; None with a sentence when they make no sense."""
    bar = st.container(horizontal=True, gap="medium")
    engine = bar.selectbox(
        "Engine", list(ENGINES), help="; ".join(ENGINES.values()), key="engine", width=130
    )
    pixels = bar.segmented_control(
        "Pixels to change", (1, 3, 5), default=1, required=True, key="pixels"
    )
    target = bar.selectbox(
        "Goal",
        [-1, *range(len(bundle.classes))],
        format_func=lambda c: "any other class" if c < 0 else f"make it a {bundle.classes[c]}",
        key=f"target_{bundle.name}",
        width=200,
    )
    queries = bar.select_slider(
        "Budget: queries per image",
        QUERIES,
        value=4000,
        format_func=lambda q: f"{q:,}",
        help="Images sent through the model, at most. The paper allows 40,400: a first "
        "population of 400 and 100 generations. The search ends at the first flip.",
        key="queries",
        width=230,
    )
    with st.expander("Reproducibility"):
        seed = st.number_input("Seed", 0, 2**31 - 1, 0, key="seed")
        st.caption("The same seed, image and settings give the same pixel again.")
    try:
        return AttackConfig(
            engine=engine,
            pixels=int(pixels or 1),
            target=None if target < 0 else target,
            max_queries=int(queries),
            seed=int(seed),
        )
    except NeuralDivergenceError as error:
        st.error(f"{error}.")
        return None


def main() -> None:
    """Lay out the page."""
    bundle = setup("Attack Lab")
    if bundle is None:
        return
    st.title("Attack Lab")
    st.caption(
        "Pick images that the model gets right, let a search change a single pixel of each, and "
        "see whether the model still knows what it looks at."
    )
    choice = choose(bundle)
    if recall("source") != "gallery":
        config = configure(bundle)
        job = current_job(bundle)
        busy = job is not None and job.active
        count = len(choice.ids) if choice else 0
        label = f"Attack {count} images" if count > 1 else "Attack"
        if st.button(
            label,
            type="primary",
            icon=":material/bolt:",
            disabled=choice is None or config is None or busy,
            help="Tick at least one image first." if choice is None else None,
            key="start",
        ):
            start(bundle, choice, config)
        if choice is None and job is None:
            st.info("Tick one or more images above, then start the attack.")
        if job is not None:
            show(bundle, job)


def show(bundle: Bundle, job) -> None:
    """Progress while the job runs, results as they come."""
    watch(bundle, job)
    if job.state == "failed":
        st.error(f"{job.error}.")
    results = job.result.found if job.result is not None else []
    if not results:
        if not job.active and job.state != "failed":
            st.info("The attack was stopped before it looked at an image.")
        return
    st.divider()
    show_one(bundle, show_table(bundle, results) if len(results) > 1 else results[0])


main()
