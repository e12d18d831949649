"""Attack Lab: change one pixel and watch the prediction flip, or fail to."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ndcore.attacks import AttackResult
from ndcore.bundles.bundle import Bundle
from ndcore.data.batch import Choice
from ndcore.data.pairs import Pair
from ndcore.jobs import Job
from ndcore.tasks.attack import results_of
from pages.ui.frame.link import choice
from pages.ui.frame.page import setup
from pages.ui.frame.page_list import LAB
from pages.ui.frame.story_banner import story_banner
from pages.ui.frame.words import with_article
from pages.ui.images.picker import choose_from_source, source_picker, tell_missing, upload
from pages.ui.lab.attack_job import is_about, start
from pages.ui.lab.batch import batch_words, show_batch
from pages.ui.lab.by_hand import Subject, drive
from pages.ui.lab.chosen import keep_result, open_again, show_chosen, show_current, show_first
from pages.ui.lab.gallery_panel import choose_from_gallery
from pages.ui.lab.panes import beside
from pages.ui.lab.progress import picture_of_attack, watched_attack
from pages.ui.lab.result import show_one
from pages.ui.lab.second_network.panel import second_network
from pages.ui.lab.settings import configure

WAYS = {"search": "Search for a pixel", "hand": "Set it by hand"}


def by_search(
    bundle: Bundle,
    chosen: Choice | None,
    places: tuple[DeltaGenerator, DeltaGenerator, DeltaGenerator],
) -> None:
    """Settings, the running attack and what it found; before the first, a finished one."""
    action, left, right = places
    with left:
        config = configure(bundle)
    with right:
        # In this order, so that what is found stays where it is when the attack ends.
        chosen_place, head = st.container(), st.container()
        course = st.container(key="lab_course")
    with course:
        job = watched_attack(bundle)
    count = len(chosen.ids) if chosen else 0
    if (
        action.button(
            f"Attack {count:,} images" if count > 1 else "Attack",
            type="primary",
            icon=":material/bolt:",
            disabled=chosen is None or config is None or (job is not None and job.active),
            help="Choose at least one image first." if chosen is None else None,
            width="stretch",
            key="start",
        )
        and chosen is not None
        and config is not None
    ):
        start(bundle, chosen, config)
    with chosen_place:
        if chosen is not None and (job is None or not (job.active or is_about(job, chosen))):
            show_chosen(bundle, chosen)
        elif job is None:
            show_first(bundle)
    if job is not None:
        with right:
            show(bundle, job, head, course)


def show(bundle: Bundle, job: Job, head: DeltaGenerator, course: DeltaGenerator) -> None:
    """The results, as they come; below them, what a running attack is at.

    Args:
        bundle: that is attacked.
        job: the attack.
        head: place of the title.
        course: place of the bar, and afterwards of what came of a batch in a sentence.
    """
    results = results_of(job)
    if job.active:
        head.header(f"{job.label[:1].upper()}{job.label[1:]}")
    elif not results and job.state != "failed":
        st.info("The attack was stopped before it looked at an image.")
    if results:
        _show_found(bundle, job, results, head, course)
    if job.active:
        picture_of_attack(bundle, job)


def _show_found(
    bundle: Bundle,
    job: Job,
    results: list[AttackResult],
    head: DeltaGenerator,
    course: DeltaGenerator,
) -> None:
    picked: AttackResult | None = results[0]
    images = len(job.result.choice.ids)
    if images > 1:
        if not job.active:
            head.header("The batch")
            course.markdown(batch_words(results, images - len(results)))
        picked = show_batch(bundle, results, running=job.active)
        if not job.active:
            second_network(bundle, job)
    if picked is None:
        return
    # The other pages speak of the result that is open here, and so does the link.
    if keep_result(bundle, job, picked):
        show_one(bundle, picked)
        return
    show_current(bundle)
    st.button(
        "Back to the last attack", icon=":material/undo:", key="open_again", on_click=open_again
    )


def by_hand(bundle: Bundle, chosen: Choice | None, place: DeltaGenerator) -> None:
    """One chosen image, its pixels set by the user; `place`: to choose one of several."""
    if chosen is None:
        st.info("Choose an image, then click its pixels.")
        show_current(bundle)
        return
    places = {name: index for index, name in enumerate(chosen.names)}
    index = 0
    if len(places) > 1:
        name = choice(
            place.selectbox,
            "Image",
            chosen.names,
            key="hand_image",
            format_func=lambda name: (
                f"{name}, {with_article(bundle.classes[chosen.labels[places[name]]])}"
            ),
        )
        index = places[name]
    label = int(chosen.labels[index])
    pair = Pair(chosen.ids[index], chosen.pixels[index], None, label)
    drive(bundle, Subject(chosen.names[index], pair, label), "free")


def main() -> None:
    """Lay out the page."""
    bundle = setup(LAB.name)
    if bundle is None:
        return
    st.title(LAB.name, anchor=False)  # no stop for the keyboard
    if not story_banner(LAB):
        st.caption(
            "Pick images that the model gets right, let a search change a single pixel of each, "
            "or change it yourself, and see whether the model still knows what it looks at."
        )
    if bundle.unasked:
        st.info(bundle.unasked)
        return
    bar = st.container(horizontal=True, gap="medium")
    source = source_picker(bundle, ["gallery", "upload"], bar)
    if source == "gallery":
        choose_from_gallery(bundle)
        return
    tell_missing(bundle)
    way = choice(
        bar.segmented_control,
        "The pixel to change",
        list(WAYS),
        key="way",
        format_func=lambda name: WAYS[name],
        label_visibility="collapsed",
    )
    left, right = beside()
    with left:
        action = st.container()
        if source == "upload":
            chosen = upload(bundle, "attack_upload")
        else:
            chosen = choose_from_source(bundle, source)
    if way == "search":
        by_search(bundle, chosen, (action, left, right))
        return
    with right:
        by_hand(bundle, chosen, action)


main()
