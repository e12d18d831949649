"""The attack's settings: widgets, their values in the link, and what each means in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from ndcore.attacks import ENGINES, AttackConfig, Engine
from ndcore.bundles.bundle import Bundle
from ndcore.errors import NeuralDivergenceError
from pages.ui.frame.link import just_linked, recall, remember

__all__ = ["configure", "read_number"]

PIXELS = (1, 3, 5)
SHARES = (1 / 8, 1 / 4, 1 / 2, 1, 2, 4)
MOST_QUERIES = 1_000_000
MOST_SEED = 2**31 - 1


def configure(bundle: Bundle) -> AttackConfig | None:
    """Show the settings; None with a sentence when they make no sense."""
    wrong: list[str] = []
    bar = st.container(horizontal=True, gap="small")
    known = [engine.name for engine in ENGINES.values() if not engine.evades]
    linked = _one_of("engine", known, AttackConfig.engine, wrong)
    name = bar.selectbox(
        "Engine",
        known,
        index=known.index(linked),
        format_func=_title,
        key="engine",
        # A comparison has a long name and leaves room for it.
        width=190 if ENGINES[st.session_state.get("engine", linked)].search else 350,
    )
    engine = ENGINES[name]
    values: dict[str, Any] = {"engine": name}
    if engine.search:
        wanted = read_number("pixels", 1, 1, max(PIXELS), wrong)
        values["pixels"] = int(
            bar.segmented_control(
                "Pixels to change",
                PIXELS,
                default=wanted if wanted in PIXELS else 1,
                required=True,
                key="pixels",
            )
            or 1
        )
        remember("pixels", "" if values["pixels"] == 1 else str(values["pixels"]))
    if engine.targeted:
        values["target"] = _goal(bundle, bar, wrong)
    if engine.is_followed:
        followers = ["", *(other.name for other in ENGINES.values() if other.follows)]
        linked = _one_of("then", followers, "", wrong)
        values["then"] = bar.selectbox(
            "If nothing is found",
            followers,
            index=followers.index(linked),
            format_func=lambda name: ENGINES[name].title if name else "stop",
            key="then",
            width=150,
            help="Where the fast search finds nothing, another engine can go on.",
        )
        remember("then", values["then"])
    if engine.search:
        values["max_queries"] = _budget(bundle, bar, values, wrong)
    if engine.bounded:
        values["epsilon"] = bar.slider(
            "Largest change per value (8-bit steps)",
            1,
            32,
            read_number("epsilon", 8, 1, 32, wrong),
            key="epsilon",
            width=250,
        )
        remember("epsilon", "" if values["epsilon"] == 8 else str(values["epsilon"]))
    values["seed"] = bar.number_input(
        "Seed",
        0,
        MOST_SEED,
        read_number("seed", 0, 0, MOST_SEED, wrong),
        key="seed",
        width=84,
        help="The same seed, image and settings give the same pixel again.",
    )
    remember("seed", str(values["seed"]) if values["seed"] else "")
    remember("engine", "" if name == AttackConfig.engine else name)
    st.caption(_explain(bundle, engine, values))
    if wrong:
        st.warning(f"The link asks for what is not possible: {'; '.join(wrong)}. Defaults are set.")
    try:
        return AttackConfig(**values)
    except NeuralDivergenceError as error:
        st.error(f"{error}.")
        return None


def _title(name: str) -> str:
    engine = ENGINES[name]
    return engine.title + ("" if engine.search else " · comparison: changes every pixel")


def _goal(bundle: Bundle, bar: Any, wrong: list[str]) -> int | None:
    options = ["", *bundle.classes]
    linked = _one_of("target", options, "", wrong)
    chosen = bar.selectbox(
        "Goal",
        options,
        index=options.index(linked),
        format_func=lambda name: f"make it: {name}" if name else "any other class",
        key=f"target_{bundle.name}",
        width=150,
    )
    remember("target", chosen)
    return bundle.class_index(chosen) if chosen else None


def _budget(bundle: Bundle, bar: Any, values: dict[str, Any], wrong: list[str]) -> int | None:
    """Queries per image, or None for what the engine needs."""
    # A link's budget belongs to its engine: another choice of engine starts from its default.
    settings = f"{values['engine']}_{values['pixels']}_{values.get('then', '')}"
    owner = st.session_state.setdefault("budget_owner", settings)
    usual = AttackConfig(
        engine=values["engine"], pixels=values["pixels"], then=values.get("then", "")
    ).budget(bundle.shape)
    wanted = usual
    if owner == settings or just_linked("budget"):
        wanted = read_number("budget", usual, 1, MOST_QUERIES, wrong)
    st.session_state["budget_owner"] = settings
    options = sorted({max(1, round(usual * share)) for share in SHARES} | {wanted})
    chosen = bar.select_slider(
        "Queries per image",
        options,
        value=wanted,
        format_func=lambda queries: f"{queries:,}",
        help="Images sent through the model, at most. A search ends at its first flip; only the "
        "exhaustive grid goes on, to complete its map.",
        key=f"budget_{bundle.name}_{settings}",
        width=175,
    )
    remember("budget", "" if chosen == usual else str(chosen))
    return None if chosen == usual else int(chosen)


def _explain(bundle: Bundle, engine: Engine, values: dict[str, Any]) -> str:
    """The engine in a sentence, and the budget in numbers."""
    told = engine.about.replace("`", "")
    if not engine.search:
        return f"{told}. It sees the gradients and changes every pixel: no one-pixel attack."
    config = AttackConfig(**values)
    height, width, channels = bundle.shape
    points = height * width * 2**channels
    grid = ""
    if any(part.keeps_map for part in config.engines):
        grid = (
            f" The grid has {points:,} points: {height * width:,} pixels x {2**channels} colours."
        )
        if engine.keeps_map and config.budget(bundle.shape) < points:
            grid += " This budget leaves the map incomplete."
    return f"{told}. At most {config.budget(bundle.shape):,} queries per image.{grid}"


def _one_of(name: str, options: Sequence[str], default: str, wrong: list[str]) -> str:
    """A kept choice; a linked one that is no option is told of."""
    value = recall(name, default)
    if value in options:
        return value
    if just_linked(name):
        wrong.append(f"{name} '{value[:40]}'")
    return default


def read_number(name: str, default: int, least: int, most: int, wrong: list[str]) -> int:
    """A kept whole number from `least` to `most`; a linked one that is none is told of."""
    text = recall(name)
    if not text:
        return default
    if text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most:
        return int(text)
    if just_linked(name):
        wrong.append(f"{name} '{text[:40]}'")
    return default
