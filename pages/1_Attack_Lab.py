"""Attack Lab: change one pixel and watch the prediction flip, or fail to."""

from __future__ import annotations

import streamlit as st

from ndcore.attacks import AttackResult
from ndcore.bundles.bundle import Bundle
from ndcore.jobs import Job
from pages.ui.frame.link import just_linked, recall, remember
from pages.ui.frame.page import setup
from pages.ui.frame.words import with_article
from pages.ui.images.picker import Choice, choose_from_source, source_picker, upload
from pages.ui.lab.attack_job import current_job, results_of, start
from pages.ui.lab.batch import show_batch
from pages.ui.lab.by_hand import Subject, drive
from pages.ui.lab.gallery_panel import choose_from_gallery
from pages.ui.lab.progress import watch
from pages.ui.lab.result import show_one
from pages.ui.lab.settings import configure

WAYS = {"search": "Search for it", "hand": "Set it by hand"}


def way() -> str:
    """Who changes the pixel: a search or the user's hand."""
    kept = recall("way", "search")
    if kept not in WAYS and just_linked("way"):
        st.warning(f"The link asks for '{kept[:40]}', which is no way to change a pixel.")
    chosen = st.segmented_control(
        "The pixel to change",
        list(WAYS),
        default=kept if kept in WAYS else "search",
        required=True,
        format_func=lambda name: WAYS[name],
        key="way",
    )
    remember("way", "" if chosen == "search" else str(chosen))
    return str(chosen)


def by_search(bundle: Bundle, choice: Choice | None) -> None:
    """Settings, the running attack and what it found."""
    config = configure(bundle)
    job = current_job(bundle)
    busy = job is not None and job.active
    count = len(choice.ids) if choice else 0
    if st.button(
        f"Attack {count} images" if count > 1 else "Attack",
        type="primary",
        icon=":material/bolt:",
        disabled=choice is None or config is None or busy,
        help="Choose at least one image first." if choice is None else None,
        key="start",
    ):
        start(bundle, choice, config)
    if choice is None and job is None:
        st.info("Choose one or more images above, then start the attack.")
    if job is not None:
        show(bundle, job)


def show(bundle: Bundle, job: Job) -> None:
    """Progress while the job runs, results as they come."""
    watch(bundle, job)
    if job.state == "failed":
        st.error(f"{job.error}.")
    results = results_of(job)
    if not results:
        if not job.active and job.state != "failed":
            st.info("The attack was stopped before it looked at an image.")
        return
    st.divider()
    picked: AttackResult | None = results[0]
    images = len(job.result.choice.ids)
    if images > 1:
        picked = show_batch(bundle, results, images, running=job.active)
        st.divider()
    if picked is not None:
        show_one(bundle, picked)


def by_hand(bundle: Bundle, choice: Choice | None) -> None:
    """One chosen image, its pixels set by the user."""
    if choice is None:
        st.info("Choose an image above, then click its pixels.")
        return
    index = 0
    if len(choice.ids) > 1:
        index = st.selectbox(
            "Image",
            range(len(choice.ids)),
            format_func=lambda i: (
                f"{choice.names[i]}, {with_article(bundle.classes[choice.labels[i]])}"
            ),
            key="hand_image",
            width=300,
        )
    subject = Subject(
        name=choice.names[index],
        image_id=choice.ids[index],
        benign=choice.pixels[index],
        label=choice.labels[index],
    )
    drive(bundle, subject, "free")


def main() -> None:
    """Lay out the page."""
    bundle = setup("Attack Lab")
    if bundle is None:
        return
    st.title("Attack Lab")
    st.caption(
        "Pick images that the model gets right, let a search change a single pixel of each, or "
        "change it yourself, and see whether the model still knows what it looks at."
    )
    source = source_picker(bundle, ["gallery", "upload"])
    if source == "gallery":
        choose_from_gallery(bundle)
        return
    if source == "upload":
        choice = upload(bundle, "attack_upload")
    else:
        choice = choose_from_source(bundle, source)
    if way() == "hand":
        by_hand(bundle, choice)
    else:
        by_search(bundle, choice)


main()
