"""Recorded runs on the page: choose one or two, and look again while one is being trained."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ndcore.errors import RunError
from ndcore.evolution import EvolutionRun, list_runs, load_run, run_folders
from ndcore.legible.plurals import counted
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import choice
from pages.ui.frame.loaders import stamps
from pages.ui.frame.words import command, plain, sentence

LOOK_S = 5.0
NONE = "no other run"
COMMAND = "python -m ndcore train lenet --data .data --epochs 45 --record"
SMALL = "python -m ndcore train lenet-digits --data digits --record"


@dataclass(frozen=True)
class OpenRun:
    """A run that is shown.

    Attributes:
        name: of its folder.
        stamp: changes with its files.
        run: what was recorded.
        vulnerability: one-pixel flips and the detector at each epoch where they were measured.
    """

    name: str
    stamp: str
    run: EvolutionRun
    vulnerability: tuple[dict[str, Any], ...] = ()

    def class_name(self, label: int) -> str:
        """A recording lists the classes that it saw, in the order of labels."""
        names = self.run.classes
        return names[label] if 0 <= label < len(names) else str(label)


def evolve_command(name: str, *options: str) -> str:
    """The command that shows a run by its name or adds to it, in Markdown."""
    if name.startswith("-"):  # as older runs may
        return command("evolve", *options, "--", name)
    return command("evolve", name, *options)


def no_run() -> None:
    """The empty state: how a run is made."""
    st.info(
        "No training run has been recorded on this machine yet. Record one of the paper's "
        "networks while it trains on CIFAR-10, or a small one on digits in about a minute, then "
        "reload this page; it may be opened while the training goes on."
    )
    st.code(f"{COMMAND}\n{SMALL}", language="sh", wrap_lines=True)


def choose_runs(row: DeltaGenerator) -> list[OpenRun]:
    """Pickers of the run and of the one to compare it with; the opened runs, at most two."""
    names = list_runs()
    if not names:
        no_run()
        return []
    first = choice(
        row.container(width=190).selectbox, "Training run", names, key="evo_run", name="run"
    )
    second = choice(
        row.container(width=190).selectbox,
        "Compare with",
        [NONE, *(name for name in names if name != first)],
        key="evo_against",
        name="against",
        disabled=len(names) == 1,
    )
    row.button(
        "Swap",
        icon=":material/swap_horiz:",
        on_click=_swap,
        args=(first, second),
        disabled=second == NONE,
        key="evo_swap",
        help="The levels below look into the first run.",
    )
    opened = []
    for name in (first, second):
        if name == NONE:
            continue
        try:
            opened.append(open_run(name))
        except RunError as error:
            st.error(sentence(error))
    return opened if opened and opened[0].name == first else []


def _swap(first: str, second: str) -> None:
    """Callback: look into the other run."""
    st.session_state.update(evo_run=second, evo_against=first)


def open_run(name: str) -> OpenRun:
    """A run, read once per server and again when its files change.

    Raises:
        RunError: it cannot be opened.
    """
    stamp = stamp_of(name)
    run = _load(name, stamp)
    try:
        found = run.vulnerability
    except RunError as error:
        st.error(sentence(error))
        found = None
    return OpenRun(name, stamp, run, tuple(row.to_dict() for row in found.epochs) if found else ())


def stamp_of(name: str) -> str:
    """Changes with a run's files and the folder they are in."""
    folder = run_folders().get(name)
    seen = (str(folder), stamps(folder, inside=True) if folder else "")
    return hashlib.sha256(repr(seen).encode()).hexdigest()


@st.cache_resource(max_entries=6, show_spinner="Opening the run …")
@known_signature
def _load(name: str, stamp: str) -> EvolutionRun:
    return load_run(name)


def keep_looking(opened: list[OpenRun]) -> None:
    """Show new epochs of a run that is still being trained, without a reload."""
    going = [each for each in opened if not each.run.result]
    if not going:
        return

    @st.fragment(run_every=LOOK_S)
    def look() -> None:
        names = " and ".join(plain(each.name) for each in going)
        epochs = ", ".join(counted(len(each.run.epochs), "epoch") for each in going)
        st.caption(
            f":material/hourglass: The training of {names} has not ended ({epochs} so far); new "
            "epochs appear here as they are recorded."
        )
        if any(stamp_of(each.name) != each.stamp for each in going):
            st.rerun()

    look()
