"""Every control of every page: set it, copy the link, open it in a fresh session, find the same.

A page shows other controls in other states; each state below is a link that brings some out.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest

from ndcore.bundles import load_bundle
from tests.ui import opened

NAMES = (
    "1_Attack_Lab",
    "2_Activation_Explorer",
    "3_Divergence_Detector",
    "4_Training_Evolution",
    "5_Concept_Graph",
    "6_Topology",
)
KINDS = (
    "selectbox",
    "button_group",
    "slider",
    "select_slider",
    "number_input",
    "toggle",
    "checkbox",
    "radio",
    "multiselect",
    "text_input",
)
# What a link does not hold: what is typed before it is set, and the next pick's colour.
LEFT_OUT = re.compile(r".*_hand_(row|col|colour)$")
DIGITS, SHIPPED = "digits-cnn", "cifar10-vgg16"
LAB, EXPLORER, DETECTOR, EVOLUTION, GRAPH, TOPOLOGY = (f"pages/{name}.py" for name in NAMES)
STATES: dict[str, tuple[str, str, dict[str, str]]] = {
    "lab": (LAB, DIGITS, {"source": "digits"}),
    "lab, pgd": (LAB, DIGITS, {"source": "digits", "engine": "pgd"}),
    "lab, gallery": (LAB, DIGITS, {"source": "gallery"}),
    "lab, by hand": (LAB, DIGITS, {"source": "digits", "way": "hand", "images": "digits:0"}),
    "explorer": (EXPLORER, DIGITS, {"pair": ""}),
    "explorer, natural errors": (
        EXPLORER,
        DIGITS,
        {"add_instance": "1", "add_way": "Natural error"},
    ),
    "explorer, an image": (EXPLORER, DIGITS, {"add_instance": "1", "add_way": "Image"}),
    "detector": (DETECTOR, DIGITS, {"pair": ""}),
    "detector, two pixels": (DETECTOR, DIGITS, {"pair": "", "pairs_box": "1"}),
    "detector, natural image": (DETECTOR, DIGITS, {"judge": "digits"}),
    "detector, many images": (DETECTOR, SHIPPED, {"detector_tab": "Many images"}),
    "detector, study": (DETECTOR, SHIPPED, {"detector_tab": "The study"}),
    "detector, desk": (DETECTOR, SHIPPED, {"detector_tab": "Hypothesis desk"}),
    "evolution": (
        EVOLUTION,
        SHIPPED,
        {"run": "lenet", "against": "lenet-bn", "network_table": "1"},
    ),
    "evolution, layer": (EVOLUTION, SHIPPED, {"run": "lenet", "part": "Layer"}),
    "evolution, neuron": (EVOLUTION, SHIPPED, {"run": "lenet", "part": "Neuron"}),
    "evolution, findings": (EVOLUTION, SHIPPED, {"run": "lenet", "part": "Findings"}),
    "graph": (GRAPH, DIGITS, {"pair": ""}),
    "graph, difference": (GRAPH, DIGITS, {"graph_show": "difference"}),
    "graph, groups": (GRAPH, DIGITS, {"graph_groups": "1"}),
    "topology": (TOPOLOGY, DIGITS, {"topology_layers": "block1_conv1", "topology_n": "300"}),
    "topology, what came with it": (TOPOLOGY, SHIPPED, {}),
}


def controls(at: AppTest) -> dict[str, Any]:
    found = [element for kind in KINDS for element in at.get(kind)]
    return {each.key: each for each in found if each.key and not each.proto.disabled}


def turned(element: Any) -> WidgetState | None:
    """What a browser would send after another value was chosen; None where there is no other."""
    state = WidgetState(id=element.id)
    now = element._widget_state
    if element.type in ("toggle", "checkbox"):
        state.bool_value = not element.value
    elif element.type == "number_input":
        step = element.proto.step or 1
        up = element.value + step <= element.max if element.max is not None else True
        state.double_value = element.value + (step if up else -step)
    elif element.type == "slider":
        step = element.proto.step
        up = element.value + step <= element.max
        state.double_array_value.data[:] = [element.value + (step if up else -step)]
    elif element.type == "text_input":
        state.string_value = "cat"
    else:
        options = list(element.options)
        held = [now.string_value] if element.type == "selectbox" else [*now.string_array_value.data]
        others = [option for option in options if option not in held]
        if not others:
            return None
        if element.type == "selectbox":
            state.string_value = others[-1]
        else:
            state.string_array_value.data[:] = [others[-1]]
    return state


@pytest.mark.parametrize("state", STATES)
@pytest.mark.usefixtures("digits_bundle")
def test_what_is_set_opens_elsewhere(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    page, bundle, link = STATES[state]
    if bundle == SHIPPED:
        monkeypatch.delenv("ND_CACHE")
    if "pair" in link:
        link = link | {"pair": load_bundle(bundle).gallery[0].look_up().token()}
    at = opened(page, **({"bundle": bundle} | link))
    untouched = {key: each.value for key, each in controls(at).items()}
    for key in untouched:
        # One after the other: what a choice hides is set no more.
        if LEFT_OUT.match(key) or key not in controls(at):
            continue
        element = controls(at)[key]
        sent = turned(element)
        if sent is None:
            continue
        element.__class__ = type("Turned", (type(element),), {"_widget_state": sent})
        at.run()
        assert not at.exception, key
    wanted = {key: each.value for key, each in controls(at).items() if not LEFT_OUT.match(key)}
    assert any(untouched.get(key) != value for key, value in wanted.items())
    fresh = opened(page, **dict(at.query_params))
    assert not fresh.exception
    assert not fresh.warning
    assert {key: each.value for key, each in controls(fresh).items() if key in wanted} == wanted


NONSENSE = ("moon", "<b>x</b>", "[log in](http://x.y)", "-1", "9" * 60)
ASKED = {
    LAB: "bundle source images filter screen correct_only "
    "way engine pixels target then budget seed job",
    EXPLORER: "pair layers classes reduction sort order show rows opacity marks with off",
    DETECTOR: "judge detector alpha detector_tab triage study_attack desk_layers",
    EVOLUTION: "run against metric variant colours digits layer epoch unit clusters",
    GRAPH: "graph_show graph_class graph_other graph_kind graph_units graph_edges pin ringed",
    TOPOLOGY: "topology_layers topology_images topology_n topology_colour topology_lens "
    "topology_intervals topology_share topology_classes topology_jaccard topology_tab",
}
ASKED_EACH = [(page, name) for page, names in ASKED.items() for name in names.split()]
SHOWN_BY = {  # where the page does not show it at once
    "off": {"pair": ""},
    "triage": {"detector_tab": "Many images", "triage_images": "samples"},
    "study_attack": {"detector_tab": "The study"},
    "desk_layers": {"detector_tab": "Hypothesis desk"},
    "unit": {"part": "Neuron"},
    "clusters": {"part": "Layer"},
    "graph_other": {"graph_show": "difference"},
}


def said(at: AppTest) -> list[str]:
    assert not at.exception
    return [each.value for kind in (at.warning, at.error, at.info) for each in kind]


@pytest.mark.parametrize(("page", "name"), ASKED_EACH)
@pytest.mark.usefixtures("digits_bundle")
def test_nonsense_in_a_link_is_one_sentence(
    page: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = page in (DETECTOR, EVOLUTION)
    if shipped:
        monkeypatch.delenv("ND_CACHE")
    link = {} if shipped else {"bundle": DIGITS, "source": "digits"}
    link |= SHOWN_BY.get(name, {})
    if "pair" in link:
        link["pair"] = load_bundle(DIGITS).gallery[0].look_up().token()
    usual = said(opened(page, **link))
    value = NONSENSE[ASKED_EACH.index((page, name)) % len(NONSENSE)]
    more = [text for text in said(opened(page, **(link | {name: value}))) if text not in usual]
    assert len(more) == 1, more
    for mark in ("<b>", "](http"):
        assert mark not in re.sub(r"\\.", "", more[0])
