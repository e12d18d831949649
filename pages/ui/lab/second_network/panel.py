"""The same images on another network: whose falls more often, and whose detector notices."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.data.decode import encode_png
from ndcore.errors import NeuralDivergenceError
from ndcore.figures.lab.two_networks import judge_words, row_words, sides_words
from ndcore.figures.style.image_tiles import ImageTile, image_tiles
from ndcore.jobs import Job
from ndcore.legible.plurals import counted
from ndcore.tasks.attack import AttackJob
from ndcore.tasks.comparison import ComparisonJob
from pages.ui.elements.download import download
from pages.ui.frame import loaders
from pages.ui.frame.job_bar import find_job, job_bar, submit_on
from pages.ui.frame.link import choice
from pages.ui.frame.words import plain, sentence

KIND = "compare"
SHOWN = 24  # images of each kind
TILE = 64


def second_network(bundle: Bundle, attack: Job) -> None:
    """Below a batch that has ended: choose another network of the same kind of images."""
    work: AttackJob | None = attack.result
    others = _others(bundle)
    if work is None or not others:
        return
    st.subheader("The same images in a second network")
    row = st.container(horizontal=True, vertical_alignment="bottom")
    name = choice(row.selectbox, "Second network", others, key="second", width=300)
    about = (bundle.weight_hash, name, attack.id)
    job = find_job(KIND, about)
    begun = job.result if job is not None and job.state in ("cancelled", "failed") else None
    told = "Go on" if begun is not None and begun.found else "Compare"
    if row.button(told, icon=":material/compare_arrows:", key="start_compare"):
        try:
            _start(bundle, loaders.bundle(name), begun or ComparisonJob(work), about)
        except NeuralDivergenceError as error:
            st.error(sentence(error))
            return
    job = job_bar(KIND, about, _course)
    if job is None:
        st.caption(
            f"The attack is repeated in the network of {plain(name)}, and both are paired image "
            "by image."
        )
    elif job.state == "done":
        _show(job.result.document, work)
    elif job.state == "cancelled":
        found = len(job.result.found) if job.result else 0
        st.info(
            "Stopped before both networks were through: "
            f"{found:,} of {counted(len(work.found), 'image')} attacked in {plain(name)}."
        )


def _start(bundle: Bundle, other: Bundle, work: ComparisonJob, about: object) -> None:
    label = f"comparison on {counted(len(work.first.found), 'image')}"
    submit_on(KIND, about, ComparisonJob(work.first, dict(work.found)), bundle, other, label=label)


def _others(bundle: Bundle) -> list[str]:
    """Bundles of the same size of images and the same classes."""
    return [
        info.name
        for info in loaders.bundle_list()
        if info.ready
        and info.name != bundle.name
        and list(info.manifest["shape"]) == list(bundle.shape)
        and {*info.manifest["classes"]} == {*bundle.classes}
    ]


def _course(job: Job) -> tuple[float, str]:
    what, done, total = job.progress or ("Starting …", 0, 0)
    return (done / total if total else 0.0), f"{plain(what)}: {done:,} of {total:,}"


def _show(document: dict[str, Any], work: AttackJob) -> None:
    first, second = (plain(name) for name in document["bundles"])
    rows = [row_words(row, document) for row in document["rows"]]
    st.markdown(f"{plain(sides_words(document), 200)}.")
    _only_in(document, work, 0, first)
    _only_in(document, work, 1, second)
    table = {
        "": [words.question for words in rows],
        first: [words.first for words in rows],
        second: [words.second for words in rows],
        f"{second} less {first}, points": [words.gap for words in rows],
    }
    st.table(pd.DataFrame(table), border="horizontal", hide_index=True)
    st.caption(
        f"{plain(judge_words(document), 300)}. Intervals are of 95%; those of a gap are paired, "
        "image by image. Images that one of the networks was trained on favour it."
    )
    text = json.dumps(document, indent=1)
    download("JSON", lambda: text, "comparison.json", key="comparison_json")


def _only_in(document: dict[str, Any], work: AttackJob, at: int, name: str) -> None:
    """The images that are broken in one of the networks alone."""
    ids = {
        row["id"]
        for row in document["images"]
        if all(row["known"]) and row["broken"][at] and not row["broken"][1 - at]
    }
    choice = work.choice
    shown = [i for i, each in enumerate(choice.names) if each in ids][:SHOWN]
    if not shown:
        return
    more = f", the first {SHOWN}" if len(ids) > SHOWN else ""
    st.caption(f"Broken in {name} alone{more}")
    size = (choice.pixels.shape[1], choice.pixels.shape[2])
    tiles = [ImageTile(encode_png(choice.pixels[i]), size, (), (choice.names[i],)) for i in shown]
    st.html(image_tiles(tiles, width=TILE))
