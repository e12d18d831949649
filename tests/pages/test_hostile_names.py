"""A class, a bundle, a run, a file and a link may be called anything: pages show it as text."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf.message import Message
from streamlit.testing.v1 import AppTest

from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.data import catalog
from ndcore.storage.places import RUNS
from pages.ui.frame.page_list import DETECTOR, EVOLUTION, EXPLORER, GRAPH, LAB, TOPOLOGY
from tests.planted_runs import plant
from tests.ui import GOOD, ended, job_of, opened

NAME = "a<u>*c*[x](y)$z$"
# Unescaped they would be markup; none of the pages' own texts has them.
MARKS = ("<u>", "*c*", "[x](", "$z$")
# Strings that a browser shows as Markdown, by the field that holds them.
MARKDOWN = {"body", "label", "help", "content", "caption", "text", "delta", "tooltip"}
STUDY_TABLES = [
    f"study_{name}_table" for name in ("alarms", "classes", "certified", "controls", "regimes")
]
# A state is a page and a link.
STATES: dict[str, tuple[str, dict[str, str]]] = {
    "home": ("Home.py", {}),
    "lab": (LAB.path, {"source": "digits", "images": "digits:0,digits:1"}),
    "lab, to a class": (LAB.path, {"source": "digits", "target": f"3{NAME}"}),
    "lab, gallery": (LAB.path, {"source": "gallery"}),
    "lab, by hand": (
        LAB.path,
        {"source": "digits", "way": "hand", "images": "digits:0", "hand": "1.1.ff0000"},
    ),
    "explorer": (EXPLORER.path, {"pair": "", "numbers_open": "1"}),
    "explorer, spread": (
        EXPLORER.path,
        {"pair": "", "closer": "How the change spreads", "propagation_table": "1"},
    ),
    "explorer, places": (
        EXPLORER.path,
        {"pair": "", "closer": "Where neurons fire", "positions_table": "1"},
    ),
    "explorer, add": (EXPLORER.path, {"add_instance": "1", "add_way": "From the gallery"}),
    "explorer, errors": (EXPLORER.path, {"add_instance": "1", "add_way": "Natural error"}),
    "explorer, an image": (EXPLORER.path, {"add_instance": "1", "add_way": "Image"}),
    "detector": (DETECTOR.path, {"pair": "", "others": "1", "suspect_1_table": "1"}),
    "detector, layers": (
        DETECTOR.path,
        {"pair": "", "detector": "wasserstein", "verdict_table_attacked": "1"},
    ),
    "detector, natural image": (DETECTOR.path, {"judge": "digits"}),
    "detector, many images": (DETECTOR.path, {"detector_tab": "Many images"}),
    "detector, study": (
        DETECTOR.path,
        {"detector_tab": "The study"} | dict.fromkeys(STUDY_TABLES, "1"),
    ),
    "detector, desk": (DETECTOR.path, {"detector_tab": "Hypothesis desk"}),
    "topology": (TOPOLOGY.path, {"topology_n": "420", "node": "dense_1:0"}),
    "topology, stable": (TOPOLOGY.path, {"topology_n": "420", "topology_tab": "Stability"}),
    "topology, numbers": (
        TOPOLOGY.path,
        {
            "topology_n": "420",
            "topology_tab": "Numbers",
            "nodes_dense_1_table": "1",
            "edges_dense_1_table": "1",
        },
    ),
    "graph": (GRAPH.path, {"graph_numbers": "1"}),
    "graph, difference": (GRAPH.path, {"graph_show": "difference", "graph_numbers": "1"}),
    "evolution": (EVOLUTION.path, {"network_table": "1"}),
    "evolution, two": (EVOLUTION.path, {"run": NAME, "against": f"b{NAME}"}),
    "evolution, layer": (EVOLUTION.path, {"run": NAME, "part": "Layer"}),
    "evolution, neuron": (EVOLUTION.path, {"run": NAME, "part": "Neuron"}),
    "evolution, findings": (EVOLUTION.path, {"run": NAME, "part": "Findings"}),
}
PAGE_OF = {page for page, _ in STATES.values()}


@pytest.fixture
def hostile(digits_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """The digits bundle with odd class names under an odd name, and two recordings beside it."""
    cache = tmp_path / "cache"
    folder = cache / "bundles" / NAME
    shutil.copytree(digits_cache / "bundles" / "digits-cnn", folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    classes = tuple(f"{label}{NAME}" for label in manifest["classes"])
    rows = json.loads((folder / "gallery.json").read_text())
    for row in rows["attacks"] if isinstance(rows, dict) else rows:
        for key in ("true", "predicted_before", "predicted_after"):
            row[key] += NAME
    (folder / "gallery.json").write_text(json.dumps(rows))
    manifest["files"]["gallery.json"] = hashlib.sha256(
        (folder / "gallery.json").read_bytes()
    ).hexdigest()
    manifest |= {"name": NAME, "classes": classes}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    digits = catalog._digits
    monkeypatch.setattr(catalog, "_digits", lambda: replace(digits(), classes=classes))
    for run in (NAME, f"b{NAME}"):
        record = plant(cache / RUNS / run, "lenet")
        for file in record.rglob("*.json"):
            about = json.loads(file.read_text())
            if "classes" in about:
                about["classes"] = [f"{name}{NAME}" for name in about["classes"]]
                file.write_text(json.dumps(about))
    monkeypatch.setenv("ND_CACHE", str(cache))
    return load_bundle(NAME)


def texts(message: Message, at: str = "") -> Iterator[tuple[str, str]]:
    """Every string of a message with the field that holds it."""
    for field, value in message.ListFields():
        many = value if field.is_repeated else [value]
        for each in many:
            if isinstance(each, Message):
                yield from texts(each, field.name)
            elif isinstance(each, str):
                yield f"{type(message).__name__}.{field.name}", each


def markup(text: str) -> list[str]:
    """What of the odd name is not escaped; commands in backticks are shown as they are."""
    bare = re.sub(r"\\.", "", re.sub(r"`[^`]*`", "", text))
    return [mark for mark in MARKS if mark in bare]


def shown(at: AppTest) -> list[str]:
    """Where a page lets the odd name be markup."""
    assert not at.exception
    found = []
    for element in [*at._tree]:
        proto = getattr(element, "proto", None)
        if not isinstance(proto, Message):
            continue
        kind = type(proto).__name__
        for place, text in texts(proto):
            field = place.rpartition(".")[2]
            if kind == "PlotlyChart" and field == "spec":
                text = str(json.loads(text))  # as JSON it escapes what the browser does not
            if kind in ("PlotlyChart", "Html"):
                wrong = ["<u>"] if "<u>" in text else []
            else:
                wrong = markup(text) if field in MARKDOWN else []
            if wrong:
                where = max(text.find(wrong[0]) - 100, 0)
                found.append(f"{kind} {place} {wrong}: …{text[where : where + 200]}")
    return found


@pytest.mark.parametrize("state", STATES)
def test_names_are_text(state: str, hostile: Bundle) -> None:
    page, link = STATES[state]
    if "pair" in link:
        link = link | {"pair": hostile.gallery[0].look_up().token()}
    at = opened(page, bundle=NAME, **link)
    assert not shown(at)


def test_names_are_text_in_results(hostile: Bundle) -> None:
    at = opened(LAB.path, bundle=NAME, images=hostile.gallery[0].id)
    at.button(key="start").click().run()
    ended(job_of(at))
    assert not shown(at.run())
    at.switch_page(DETECTOR.path).run()
    assert not shown(at)


@pytest.mark.parametrize("page", [LAB.path, DETECTOR.path])
@pytest.mark.usefixtures("hostile")
def test_the_name_of_a_file_is_text(page: str) -> None:
    at = opened(page, bundle=NAME, source="upload", judge="upload")
    for kind in ("grey.png", "alpha.png"):
        at.file_uploader[0].upload(f"{NAME}{kind}", GOOD[kind]).run()
        assert not shown(at)
    at.file_uploader[0].upload(f"{NAME}.png", b"no image").run()
    assert at.error
    assert not shown(at)


@pytest.mark.parametrize("page", sorted(PAGE_OF))
@pytest.mark.usefixtures("digits_bundle")
def test_a_value_of_a_link_is_text(page: str) -> None:
    names = (
        "bundle source images pair layers classes with detector judge triage run metric part job"
    )
    assert not shown(opened(page, **dict.fromkeys(names.split(), NAME)))


def test_markup_is_found() -> None:
    assert markup(NAME) == list(MARKS)
    assert markup(r"a\<u\>\*c\*\[x\](y)\$z\$ and `*c*`") == []
