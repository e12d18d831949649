"""Triage: which of many images to look at first; a study's, a source's or uploaded ones."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

from ndcore.bundles.bundle import Bundle
from ndcore.data.batch import UNKNOWN
from ndcore.data.pairs import Pair
from ndcore.detectors.registry import title_of
from ndcore.errors import BundleError, NeuralDivergenceError
from ndcore.jobs import Job
from ndcore.legible.plurals import counted
from ndcore.settings import settings
from ndcore.study.incoming import MOST, Images, draw, unpack
from ndcore.study.saved import SavedStudy
from ndcore.study.triage import Judged, judge_study
from ndcore.tasks.triage import TriageJob
from pages.ui.detector.choices import choose_alpha, choose_detector
from pages.ui.detector.ranked import Lookup, Open, show_judged
from pages.ui.elements.certify_many import certify_many
from pages.ui.frame import loaders
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import choice, number, several
from pages.ui.frame.uploads import FILE_MB
from pages.ui.frame.words import capital, plain, sentence
from pages.ui.images.gallery import rows_here
from pages.ui.images.picker import ready_sources, source_name, tell_missing
from pages.ui.images.triage_job import current, start

USUAL = 100
BENIGN = "evaluation"  # the set of the study that is judged
FOR_PIXELS = "one-pixel"  # the set whose pixels and colours a bundle's gallery tells


def triage_panel(bundle: Bundle, open_one: Open) -> None:
    """Choose images and a detector, judge them, show them ranked; `open_one` judges one in full."""
    st.header("Many images, the most suspicious first")
    try:
        study = loaders.study(bundle)
    except BundleError as error:
        st.warning(sentence(f"{error}; its images and its detector are not on offer here"))
        study = None
    options = [*(["study"] if study else []), *ready_sources(bundle), "upload"]
    names = {name: source_name(bundle, name) for name in options}
    names["study"] = "The study's images"
    bar = st.container(horizontal=True, vertical_alignment="bottom")
    chosen = choice(
        bar.segmented_control,
        "Images",
        options,
        key="triage_images",
        format_func=lambda name: plain(names[name]),
    )
    tell_missing(bundle)
    more = bar.popover("More", icon=":material/tune:", key="triage_more")
    if chosen == "study" and study is not None:
        _of_study(bundle, study, open_one, more)
        return
    found = _uploaded(bundle) if chosen == "upload" else _drawn(bundle, chosen, more)
    detector, alpha = choose_detector(loaders.detectors(bundle), more), choose_alpha(more)
    place = st.container(horizontal=True)
    job = current(bundle)
    count = len(found[0]) if found else 0
    if (
        place.button(
            f"Judge {counted(count, 'image')}",
            type="primary",
            icon=":material/checklist:",
            disabled=not count or detector is None or (job is not None and job.active),
            key="triage_start",
        )
        and found is not None
        and detector is not None
    ):
        start(bundle, TriageJob(names[chosen], detector.name, *found))
    if not bundle.unasked:
        certify_many(bundle, found[0] if found else None, place)
    if job is not None and not job.active:
        _show_job(bundle, job, open_one, alpha)


def _of_study(bundle: Bundle, study: SavedStudy, open_one: Open, more: DeltaGenerator) -> None:
    """The evaluation images and attacks on them, from the saved scores."""
    attacks = [row["name"] for row in study.document["attacks"] if row["name"] in study.scores]
    rows = study.document["detectors"]
    ranked = [row["name"] for row in rows if row["name"] in study.names]
    frozen = [row["name"] for row in rows if row["frozen"] and row["name"] in study.names]
    about = {row["name"]: row["about"] for row in rows}
    kinds = several(
        more.multiselect, "Attacks among them", attacks, key="triage_attacks", default=attacks[:1]
    )
    detector = choice(
        more.selectbox,
        "Detector",
        ranked,
        key="triage_saved",
        default=frozen[0] if frozen else ranked[0],
        format_func=lambda name: capital(title_of(name)),
    )
    more.caption(f"{sentence(about[detector])} Its name in commands: `{detector}`.")
    alpha = choose_alpha(more)
    judged = judge_study(study, detector, kinds)
    spots = [study.about[name]["where"] for name in (BENIGN, *kinds)]
    where = np.concatenate(spots)
    st.caption(
        f"Judged by “{title_of(detector)}”. The scores were saved by the study, so nothing is "
        "computed here; images are drawn where their data set is on this machine."
    )
    lookup = _finder(bundle, judged, where)
    show_judged(bundle, judged, alpha, lookup, partial(open_one, detector), "study")


def _finder(bundle: Bundle, judged: Judged, where: NDArray[np.int16]) -> Lookup:
    """Looks images of a study up in the data set, and colours of attacks in the gallery."""
    known = {row.key: row for row in bundle.gallery if len(row.pixels) == 1}

    def lookup(at: int) -> Pair | None:
        key, kind = judged.ids[at], judged.sets[at]
        row = None
        if kind != "benign":
            row = known.get(key)
            if kind != FOR_PIXELS or row is None:
                return None
            if (row.pixels[0].row, row.pixels[0].col) != tuple(where[at].tolist()):
                return None
        benign = _pixels(bundle.name, bundle.weight_hash, key, bundle)
        if benign is None or benign.shape != bundle.shape:
            return None
        label = int(judged.labels[at])
        return row.pair(benign, label) if row else Pair(key, benign, None, label)

    return lookup


@st.cache_data(ttl=600, max_entries=4096, show_spinner="Looking for the images …")
@known_signature
def _pixels(name: str, weight_hash: str, key: str, _bundle: Bundle) -> NDArray[np.uint8] | None:
    """An image by its key, or None where its data set is not here."""
    try:
        return loaders.find(_bundle)(key)[0]
    except NeuralDivergenceError:
        return None


def _drawn(
    bundle: Bundle, name: str, more: DeltaGenerator
) -> tuple[Images, dict[int, Pair]] | None:
    """A draw from a source, and ready-made attacks beside it."""
    source = loaders.source(name, bundle)
    bar = st.container(horizontal=True, vertical_alignment="bottom")
    most = min(MOST, len(source))
    n = number(
        bar.number_input,
        "Benign images",
        1,
        most,
        min(USUAL, most),
        key=f"triage_n_{name}",
        name="triage_n",
        width=160,
    )
    seed = number(more.number_input, "Seed of the draw", 0, 2**31 - 1, 0, key="triage_seed")
    rows = rows_here(bundle)
    wanted = number(
        bar.number_input,
        "Attacks from the gallery",
        0,
        min(MOST, len(rows)),
        min(USUAL // 2, len(rows)),
        key=f"triage_gallery_{bundle.name}",
        name="triage_gallery",
        width=200,
        disabled=not rows,
        help="Verified one-pixel attacks whose images are on this machine.",
    )
    try:
        images, pairs = _gathered(bundle.name, bundle.weight_hash, name, n, seed, wanted, bundle)
    except NeuralDivergenceError as error:
        st.error(sentence(error))
        return None
    st.caption(
        f"{len(images) - len(pairs):,} benign images that neither trained nor calibrated anything, "
        f"and {len(pairs):,} attacked ones."
    )
    return images, pairs


@st.cache_data(max_entries=8, show_spinner="Looking for the images …")
@known_signature
def _gathered(
    name: str, weight_hash: str, source: str, n: int, seed: int, attacks: int, _bundle: Bundle
) -> tuple[Images, dict[int, Pair]]:
    benign = draw(_bundle, loaders.source(source, _bundle), n, seed)
    pairs = [row.look_up(loaders.find(_bundle)) for row in rows_here(_bundle)[:attacks]]
    if not pairs:
        return benign, {}
    more = Images(
        ids=tuple(pair.image_id for pair in pairs),
        sets=("attacked",) * len(pairs),
        attacked=np.ones(len(pairs), np.int8),
        labels=np.array([UNKNOWN if pair.label is None else pair.label for pair in pairs]),
        pixels=np.stack([pair.images[-1] for pair in pairs]),
    )
    return benign.plus(more), {len(benign) + at: pair for at, pair in enumerate(pairs)}


def _uploaded(bundle: Bundle) -> tuple[Images, dict[int, Pair]] | None:
    """Files from the browser, and what is in their archives."""
    if bundle.unasked:
        st.info(bundle.unasked)
        return None
    files = st.file_uploader(
        f"PNG, JPEG, WebP or BMP files, or ZIP archives of them, up to {FILE_MB} MB each and "
        f"{settings().session_mb:.0f} MB in all",
        type=["png", "jpg", "jpeg", "webp", "bmp", "zip"],
        accept_multiple_files=True,
        key="triage_upload",
        max_upload_size=FILE_MB,
        help="A folder in the archive that is named as a class tells the true class; names that "
        "end in -benign or -attacked, as the Attack Lab writes them, tell which it is.",
    )
    if not files:
        return None
    ids = tuple(file.file_id for file in files)
    images, problems = _unpacked(bundle.name, bundle.weight_hash, ids, bundle, files)
    if problems:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        st.warning(sentence(f"left out: {'; '.join(problems[:3])}{more}"))
    return (images, {}) if images is not None else None


@st.cache_data(max_entries=4, show_spinner="Reading the files …", scope="session")
@known_signature
def _unpacked(
    name: str, weight_hash: str, ids: tuple[str, ...], _bundle: Bundle, _files: list[UploadedFile]
) -> tuple[Images | None, list[str]]:
    return unpack(((file.name, file.getvalue()) for file in _files), _bundle)


def _show_job(bundle: Bundle, job: Job, open_one: Open, alpha: float) -> None:
    """The images that an ended one judged."""
    work: TriageJob | None = job.result
    judged = work.judged if work else None
    if work is None or judged is None:
        if job.state != "failed":
            st.info("Stopped before an image was judged.")
        return
    st.divider()
    total = len(work.images)
    part = f"{len(judged):,} of {total:,}" if len(judged) < total else f"all {total:,}"
    note = "; stopped before the end" if job.state == "cancelled" else ""
    st.caption(
        f"{plain(work.source)}: {part} judged by “{title_of(work.detector)}” in "
        f"{job.seconds:.1f} s{note}."
    )
    open_judged = partial(open_one, work.detector)
    show_judged(bundle, judged, alpha, work.pair, open_judged, "images")
