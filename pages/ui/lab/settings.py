"""The attack's settings: controls bound to the link, and what they mean in a sentence."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ndcore.attacks import ENGINES, AttackConfig, Engine
from ndcore.bundles.bundle import Bundle
from ndcore.errors import NeuralDivergenceError
from pages.ui.frame.link import choice, number, recall, remember
from pages.ui.frame.words import sentence

PIXELS = (1, 3, 5)
SHARES = (1 / 8, 1 / 4, 1 / 2, 1, 2, 4)
MOST_QUERIES = 1_000_000
MOST_SEED = 2**31 - 1
MOST_EPSILON = 32


def configure(bundle: Bundle) -> AttackConfig | None:
    """Show the settings; None with a sentence when they make no sense."""
    line = st.container(horizontal=True, gap="xsmall", vertical_alignment="bottom")
    engine = _engine(line)
    more = line.popover(
        "Settings", icon=":material/tune:", help="Budget, seed and what comes next."
    )
    values: dict[str, Any] = {"engine": engine.name}
    bar = st.container(horizontal=True, gap="small", vertical_alignment="bottom")
    if engine.search:
        values["pixels"] = choice(
            bar.segmented_control,
            "Pixels to change",
            PIXELS,
            key="pixels",
            on_change=_forget_budget,
        )
    if engine.targeted:
        values["target"] = _goal(bundle, bar)
    if engine.is_followed:
        values["then"] = choice(
            more.selectbox,
            "If nothing is found",
            ["", *(other.name for other in ENGINES.values() if other.follows)],
            key="then",
            format_func=lambda name: ENGINES[name].title if name else "stop",
            help="Where this search finds nothing, another engine can go on.",
            on_change=_forget_budget,
        )
    if engine.search:
        values["max_queries"] = _budget(bundle, more, values)
    if engine.bounded:
        values["epsilon"] = number(
            more.slider,
            "Largest change per value (8-bit steps)",
            1,
            MOST_EPSILON,
            AttackConfig.epsilon,
            key="epsilon",
        )
    values["seed"] = number(
        more.number_input,
        "Seed",
        0,
        MOST_SEED,
        0,
        key="seed",
        help="The same seed, image and settings give the same pixel again.",
    )
    try:
        config = AttackConfig(**values)
    except NeuralDivergenceError as error:
        st.error(sentence(error))
        return None
    st.caption(_explain(bundle, engine, config))
    return config


def _engine(bar: DeltaGenerator) -> Engine:
    offered = {engine.name: engine for engine in ENGINES.values() if not engine.evades}
    name = choice(
        bar.selectbox,
        "Engine",
        list(offered),
        key="engine",
        default=AttackConfig.engine,
        format_func=_title,
        on_change=_forget_budget,
    )
    return offered[name]


def _title(name: str) -> str:
    engine = ENGINES[name]
    return engine.title + ("" if engine.search else " · comparison: changes every pixel")


def _goal(bundle: Bundle, bar: DeltaGenerator) -> int | None:
    chosen = choice(
        bar.selectbox,
        "Goal",
        ["", *bundle.classes],
        key=f"target_{bundle.name}",
        name="target",
        format_func=lambda name: f"make it: {name}" if name else "any other class",
        width=150,
    )
    return bundle.class_index(chosen) if chosen else None


def _budget(bundle: Bundle, bar: DeltaGenerator, values: dict[str, Any]) -> int | None:
    """Queries per image, or None for what the engine needs."""
    usual = AttackConfig(**values).budget(bundle.shape)
    asked = recall("budget")
    # A link may ask for any number; it becomes one of those offered.
    linked = {int(asked)} if asked.isdecimal() and len(asked) < 8 else set()
    offered = {max(1, round(usual * share)) for share in SHARES}
    offered |= {queries for queries in linked if 1 <= queries <= MOST_QUERIES}
    chosen = choice(
        bar.select_slider,
        "Queries per image",
        sorted(offered),
        key=f"budget_{bundle.name}_{values['engine']}_{values['pixels']}_{values.get('then', '')}",
        name="budget",
        default=usual,
        format_func=lambda queries: f"{queries:,}",
        help="Images sent through the model, at most. A search ends at its first flip; only the "
        "exhaustive grid goes on, to complete its map.",
    )
    return None if chosen == usual else chosen


def _forget_budget() -> None:
    """Callback: a budget belongs to its engine; another starts from what it needs."""
    remember("budget", "")


def _explain(bundle: Bundle, engine: Engine, config: AttackConfig) -> str:
    """The engine in a sentence, and the budget in numbers."""
    told = engine.about.replace("`", "")
    if not engine.search:
        return f"{told}. It sees the gradients and changes every pixel: no one-pixel attack."
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
