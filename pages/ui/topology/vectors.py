"""Which images a graph is made of, and their vectors: kept, read at once, or read by a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from ndcore.bundles.bundle import Bundle
from ndcore.bundles.images import finder
from ndcore.data.pairs import Pair
from ndcore.data.splits import held_out_keys
from ndcore.errors import NeuralDivergenceError
from ndcore.jobs import Job
from ndcore.legible.plurals import counted
from ndcore.topology.kept import (
    ATTACKS,
    SHIPPED,
    attacked_images,
    find_space,
    read_spaces,
    set_key,
)
from ndcore.topology.space import Space
from ndcore.topology.vectors import (
    LayerVectors,
    ToRead,
    fitting,
    most_vectors,
    read_vectors,
    spread_members,
)
from pages.ui.frame import loaders
from pages.ui.frame.job_bar import job_bar, submit
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import choice, number
from pages.ui.frame.words import plain, sentence
from pages.ui.images.gallery import rows_here, where_images
from pages.ui.images.picker import ready_sources, source_name

KIND = "topology-read"
USUAL, LEAST = 2000, 20
AT_ONCE = 2**18  # pixels of all images; more are read by a job
MOST_SPACES = 12  # held by a server
DEADLINE_S = 3600


@dataclass(frozen=True)
class Wanted:
    """A set of images.

    Attributes:
        source: of `ready_sources`, or `SHIPPED`.
        n: how many.
        positions: of a convolution, see `POSITIONS`.
    """

    source: str
    n: int
    positions: str


@dataclass(frozen=True)
class Opened:
    """The vectors of a layer.

    Attributes:
        layer: its name.
        key: tells them from others.
        space: of the benign images; attacks: of the attacked ones, None without any.
    """

    layer: str
    key: str
    space: Space
    attacks: Space | None


def sources_for(bundle: Bundle, layers: Sequence[str], positions: str) -> list[str]:
    """Where images can come from; those of the bundle first, where it brought vectors."""
    came = [layer for layer in layers if _space(bundle, layer, positions, SHIPPED) is not None]
    return [*([SHIPPED] if layers and len(came) == len(layers) else []), *ready_sources(bundle)]


def choose_images(
    bundle: Bundle, options: list[str], place: DeltaGenerator
) -> tuple[str, int] | None:
    """Controls for the source and the number of images; None without any source."""
    if not options:
        return None
    names = {SHIPPED: "Kept with the bundle"}
    source = choice(
        place.selectbox,
        "Images",
        options,
        key=f"topology_images_{bundle.name}",
        name="topology_images",
        format_func=lambda name: names.get(name) or plain(source_name(bundle, name)),
    )
    if source == SHIPPED:
        return source, 0
    most = len(loaders.source(source, bundle))
    least = min(LEAST, most)
    n = number(
        place.number_input,
        "How many",
        least,
        min(most_vectors(1), most),
        max(least, min(USUAL, most)),
        key=f"topology_n_{source}_{bundle.name}",
        name="topology_n",
        step=min(100, max(1, most - least)),
        help="Held-out images first. A layer of very many neurons takes fewer, so that its "
        "vectors fit into memory.",
    )
    return source, n


def open_vectors(bundle: Bundle, layers: Sequence[str], wanted: Wanted) -> list[Opened] | None:
    """The vectors of some layers, read where they are not kept; None until they are there."""
    try:
        return _opened(bundle, layers, wanted)
    except NeuralDivergenceError as error:
        st.error(sentence(error))
        return None


def _opened(bundle: Bundle, layers: Sequence[str], wanted: Wanted) -> list[Opened] | None:
    if wanted.source == SHIPPED:
        sets = [(SHIPPED, ATTACKS)] * len(layers)
        return _all(bundle, layers, wanted.positions, sets)
    asked = [_asked(bundle, layer, wanted) for layer in layers]
    attacks = _attacks(bundle, wanted.source)
    named = set_key(attacks) if attacks is not None else ""
    sets = [(set_key(images), named) for images in asked]
    found = _all(bundle, layers, wanted.positions, sets)
    if found is not None:
        return found
    about = (bundle.weight_hash, tuple(layers), wanted.positions, tuple(sets))
    height, width, _ = bundle.shape
    pixels = height * width * max(len(images.keys) for images in asked)
    if pixels <= AT_ONCE and not bundle.limit:
        with st.spinner("Reading the layers …"):
            _read(bundle, layers, wanted.positions, (asked, attacks))
        return _all(bundle, layers, wanted.positions, sets)
    total = sum(len(images.keys) for images in asked[:1])
    job = job_bar(KIND, about, _course, shared=True)
    if job is None or not job.active:
        if job is not None and job.state == "done":
            return _all(bundle, layers, wanted.positions, sets)
        st.info(
            f"{counted(total, 'image')} have to be read once by the network; their vectors are "
            "kept on this machine."
        )
        if st.button(
            f"Read {counted(total, 'image')}",
            type="primary",
            icon=":material/play_arrow:",
            key="topology_read",
        ):

            def run(job: Job) -> None:
                _read(bundle, layers, wanted.positions, (asked, attacks), job)

            label = f"vectors of {counted(total, 'image')}"
            submit(KIND, about, run, label=label, deadline_s=DEADLINE_S)
    return None


def _read(
    bundle: Bundle,
    layers: Sequence[str],
    positions: str,
    images: tuple[Sequence[ToRead], ToRead | None],
    job: Job | None = None,
) -> None:
    """Every layer with its images, those of equal ones in one pass, and the attacked ones."""
    asked, attacks = images
    groups: dict[str, list[int]] = {}
    for at, one in enumerate(asked):
        groups.setdefault(set_key(one), []).append(at)
    total = sum(len(asked[each[0]].keys) for each in groups.values())
    total += len(attacks.keys) if attacks is not None else 0
    done = 0

    def read(some: Sequence[str], one: ToRead) -> None:
        nonlocal done
        begun = done

        def count(n: int) -> None:
            nonlocal done
            done += n
            if job is not None:
                job.report((done, total))

        read_spaces(
            bundle,
            some,
            positions,
            one,
            on_batch=count,
            should_stop=None if job is None else lambda: job.stopping,
        )
        done = begun + len(one.keys)

    for each in groups.values():
        read([layers[at] for at in each], asked[each[0]])
    if attacks is not None:
        read(layers, attacks)


def _course(job: Job) -> tuple[float, str]:
    done, total = job.progress or (0, 1)
    if done >= total:
        return 1.0, f"Measuring how far the vectors are apart · {job.seconds:.0f} s"
    return done / total, f"{done:,} of {total:,} images read · {job.seconds:.0f} s"


def _all(
    bundle: Bundle, layers: Sequence[str], positions: str, sets: Sequence[tuple[str, str]]
) -> list[Opened] | None:
    found = []
    for layer, (benign, attacked) in zip(layers, sets, strict=True):
        space = _space(bundle, layer, positions, benign)
        attacks = _space(bundle, layer, positions, attacked) if attacked else None
        if space is None or (attacks is None and attacked not in ("", ATTACKS)):
            return None
        way = fitting(bundle, layer, positions)
        key = f"{bundle.weight_hash} {layer} {way} {benign} {attacked}"
        found.append(Opened(layer, key, space, attacks))
    return found


def _space(bundle: Bundle, layer: str, positions: str, images: str) -> Space | None:
    held = _held()
    key = (bundle.name, bundle.weight_hash, layer, fitting(bundle, layer, positions), images)
    if key not in held:
        found = find_space(bundle, layer, positions, images)
        if found is None:
            return None
        held[key] = found
        for old in list(held)[:-MOST_SPACES]:
            held.pop(old, None)
    return held[key]


@st.cache_resource(show_spinner=False)
def _held() -> dict[tuple[str, ...], Space]:
    """Vectors that this server has opened, the latest last."""
    return {}


def _asked(bundle: Bundle, layer: str, wanted: Wanted) -> ToRead:
    source = loaders.source(wanted.source, bundle)
    n = min(wanted.n, most_vectors(bundle.units(layer)))
    held = held_out_keys(bundle.splits)
    return ToRead.of(source, spread_members(source, held, n, 0))


def _attacks(bundle: Bundle, source: str) -> ToRead | None:
    """The gallery's attacked images that are here, most of them in this source."""
    if bundle.unasked:
        return None
    checksum = bundle.manifest["files"]["gallery.json"]
    rows = rows_here(bundle)
    return _attacked(bundle.name, checksum, len(rows), source, bundle) if rows else None


@st.cache_resource(max_entries=3, show_spinner="Looking for the attacked images …")
@known_signature
def _attacked(name: str, checksum: str, count: int, source: str, _bundle: Bundle) -> ToRead:
    find = finder(loaders.source(source, _bundle))
    return attacked_images([row.look_up(find) for row in rows_here(_bundle)])


def pair_vectors(bundle: Bundle, opened: Opened, positions: str, pair: Pair) -> LayerVectors:
    """The vectors of the pair's images, each at the same position.

    Raises:
        NeuralDivergenceError: the model cannot read them.
    """
    pixels = np.stack(pair.images)
    label = -1 if pair.label is None else pair.label
    images = ToRead(
        (pair.image_id,) * len(pixels), np.full(len(pixels), label), lambda part: pixels[part]
    )
    return read_vectors(bundle, [opened.layer], positions, images)[opened.layer]


def pixels_of(bundle: Bundle, keys: Sequence[str]) -> NDArray[np.uint8] | None:
    """Images by their keys, (n, H, W, C), looked up once; None where they are not here."""
    return _pixels(bundle.name, bundle.weight_hash, tuple(keys), bundle)


@st.cache_data(max_entries=64, ttl=600, show_spinner="Looking for the images …")
@known_signature
def _pixels(
    name: str, weight_hash: str, keys: tuple[str, ...], _bundle: Bundle
) -> NDArray[np.uint8] | None:
    find = loaders.find(_bundle)
    try:
        found = [find(key)[0] for key in keys]
    except NeuralDivergenceError:
        return None
    fitting_ones = all(each.shape == _bundle.shape for each in found)
    return np.stack(found) if found and fitting_ones else None


def missing_words(bundle: Bundle) -> str:
    """Why images cannot be shown."""
    return where_images(bundle) or "The images themselves are not on this machine."
