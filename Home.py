"""Home: what each page answers, what is ready, and the start of the guided story."""

from __future__ import annotations

import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.bundles.images import FOLDER, folder_name
from ndcore.evolution import list_runs
from ndcore.legible.plurals import counted
from ndcore.statistics.intervals import Rate
from pages.ui.elements.side_by_side import side_by_side
from pages.ui.frame import loaders
from pages.ui.frame.job_bar import running_jobs
from pages.ui.frame.page import setup
from pages.ui.frame.page_list import LAB, PAGES
from pages.ui.frame.story_banner import STORY
from pages.ui.frame.words import plain
from pages.ui.home.previews import preview
from pages.ui.images.example import example, show_example
from pages.ui.images.gallery import where_images
from pages.ui.images.picker import NAMES, ready_sources, source_name
from pages.ui.images.ticked import ids_to_link


def start_story(bundle: Bundle) -> None:
    """Button: the Attack Lab, with an image ticked that is known to break where there is one."""
    link = {"bundle": bundle.name, STORY: "1"}
    ready, found = ready_sources(bundle), example(bundle)
    if ready:
        link["source"], image_id = first_image(bundle, ready, found.pair.image_id if found else "")
        link["images"] = ids_to_link([image_id])
    st.switch_page(LAB.path, query_params=link)


def first_image(bundle: Bundle, ready: list[str], wanted: str) -> tuple[str, str]:
    """The source that has an image of the gallery, and the image's id there, which may be longer
    than its key; else the first image there is."""
    origin = wanted.partition(":")[0].partition("-")[0]
    for name in [origin] if origin in ready else ready:
        source = loaders.source(name, bundle)
        if wanted in source.places:
            return name, source.ids[source.places[wanted]]
    return ready[0], loaders.source(ready[0], bundle).ids[0]


def readiness(bundle: Bundle) -> None:
    """Model, data and how well the one does on the other."""
    accuracy = Rate.of(bundle.manifest["accuracy"], "accuracy")
    units = sum(bundle.units(layer) for layer in bundle.layers)
    first, second, third = st.columns(3)
    first.metric("Held-out accuracy", accuracy.percent())
    first.caption(f"n = {accuracy.n:,}, 95% interval {accuracy.interval()}")
    second.metric("Neurons observed", f"{units:,}")
    second.caption(
        f"in {counted(len(bundle.layers), 'layer')}, over "
        f"{bundle.manifest['distributions']['images']:,} reference images"
    )
    third.metric("Verified attacks", len(bundle.gallery))
    third.caption(_attacks_told(bundle))


def _attacks_told(bundle: Bundle) -> str:
    """What the attacks of the gallery are, or of how many images none was broken."""
    if bundle.gallery:
        return "each changes exactly one pixel of an image held out of training"
    tried = bundle.manifest["gallery"].get("evaluation", {}).get("attacked", 0)
    if tried:
        return f"none of {counted(tried, 'image')} was broken when the bundle was built"
    return "the Attack Lab makes them" if not bundle.unasked else "nothing can be attacked here"


def own_images(bundle: Bundle) -> list[str]:
    """A line about the folder that the bundle was built from, where it was one."""
    if not folder_name(bundle):
        return []
    name = f"**{plain(source_name(bundle, FOLDER))}**"
    if FOLDER in ready_sources(bundle):
        count = counted(len(loaders.source(FOLDER, bundle)), "image")
        return [f":material/check_circle: {name}: {count}"]
    return [f":material/radio_button_unchecked: {name}: not ready. {where_images(bundle)}"]


def cards(bundle: Bundle) -> None:
    """The pages, each with a picture of what it shows."""
    # Two rows of them fit on the first screen.
    st.html("<style>.st-key-cards img{max-height:6.5rem;object-fit:contain}</style>")
    grid = side_by_side("cards", "max(13rem, min(30%, 17rem))")
    for page in PAGES:
        with grid.container(border=True, height="stretch", gap="xsmall"):
            seen = preview(page, bundle)
            if seen is not None:
                st.html(seen.picture)
                st.caption(seen.words)
            st.header(page.question)
            # In a sentence of its own, two rows of cards would leave the first screen.
            st.page_link(page.path, label=f"**{page.name}**", icon=page.icon, help=page.about)


def main() -> None:
    """Lay out the page."""
    bundle = setup("Home")
    if bundle is None:
        return
    words, pictures = st.columns([5, 4], gap="large", vertical_alignment="center")
    words.title("Why did one pixel fool my network, and could I have noticed?")
    words.markdown(
        "Change a single pixel of an image and a network that was right becomes wrong. See it "
        "happen, look at every neuron while it does, and test whether the attack gives itself away."
    )
    if words.button(
        "Start the guided story", type="primary", icon=":material/play_arrow:", key="go"
    ):
        start_story(bundle)
    show_example(bundle, 172, pictures.container(horizontal=True))
    running_jobs("Home")
    cards(bundle)
    st.header(f"Ready: {plain(bundle.name)}")
    readiness(bundle)
    lines = own_images(bundle)
    fitting = ready_sources(bundle)
    for row in loaders.source_rows():
        told = counted(row.images, "image") if row.ready else f"not here; get it with `{row.how}`"
        if row.ready and row.name not in fitting:
            told += ", of other classes or another size than this network's"
        icon = ":material/check_circle:" if row.ready else ":material/radio_button_unchecked:"
        lines.append(f"{icon} **{NAMES.get(row.name, row.name)}**: {told}")
    runs = list_runs()
    icon = ":material/check_circle:" if runs else ":material/radio_button_unchecked:"
    lines.append(f"{icon} **Recorded training runs**: {', '.join(map(plain, runs)) or 'none'}")
    st.markdown("  \n".join(lines))


main()
