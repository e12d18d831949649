"""The Training Evolution page by AppTest, on runs recorded here on digits."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ndcore.data.catalog import open_source
from ndcore.errors import StoppedError
from ndcore.evolution import EvolutionRun, keep_averages, load_run, trimmed, weighted_average
from ndcore.evolution.findings import findings_of
from ndcore.evolution.store import seal
from ndcore.jobs import Job
from ndcore.legible.epoch_spans import spans
from pages.ui.evolution.findings import accuracy_frame, findings_frame
from pages.ui.evolution.network_numbers import curve_rows, macro_rows
from pages.ui.evolution.run_images import reader_of
from pages.ui.evolution.runs import OpenRun, open_run
from pages.ui.evolution.unit import find_facets
from pages.ui.evolution.unit_pictures import cluster_pictures, unit_pictures
from tests.pages.evolution.conftest import EPOCHS, MODELS
from tests.planted_runs import plant
from tests.ui import ended, job_of, linked, opened, texts

PAGE = "pages/4_Training_Evolution.py"


@pytest.fixture
def first(cache: Path) -> OpenRun:
    return OpenRun(MODELS[0], "stamp", load_run(MODELS[0]))


def fine(at: AppTest) -> AppTest:
    assert not at.exception
    assert not at.error
    return at


@pytest.mark.usefixtures("digits_bundle")
def test_without_a_run_the_command_is_told() -> None:
    at = fine(opened(PAGE))
    assert "No training run has been recorded" in texts(at)
    assert "python -m ndcore train lenet --data .data --epochs 45 --record" in (at.code[0].value)


@pytest.mark.usefixtures("empty_cache")
def test_without_a_bundle_and_a_run_the_page_says_what_to_do() -> None:
    at = opened(PAGE)
    assert not at.exception
    assert "python -m ndcore build digits-cnn" in at.info[0].value


@pytest.mark.spec("DV-0")
@pytest.mark.usefixtures("cache")
def test_from_the_network_to_a_layer_to_a_unit() -> None:
    at = fine(opened(PAGE, run=MODELS[0], layer="conv3", unit="5", part="Layer"))
    assert at.selectbox(key="evo_layer").value == "conv3"
    assert at.selectbox(key="evo_unit").value == 5
    assert at.select_slider(key="evo_epoch").value == 3
    told = texts(at)
    assert "test accuracy 50.00%" in told
    assert len(at.get("plotly_chart")) == 2
    at.selectbox(key="evo_layer").select("conv5").run()
    fine(at)
    assert linked(at, "layer") == "conv5"
    assert at.selectbox(key="evo_unit").value < 10, "another layer begins with its own neuron"
    at.selectbox(key="evo_unit").select(7).run()
    at.segmented_control(key="evo_part").set_value("Neuron").run()
    assert fine(at).selectbox(key="evo_unit").value == 7
    values = load_run(MODELS[0]).units("conv5", variant="normalised")[7]
    for epoch in (3, 1):
        at.select_slider(key="evo_epoch").set_value(epoch).run()
        chosen = fine(at).selectbox(key="evo_unit")
        assert chosen.value == 7
        assert chosen.options[7].startswith(f"7: {values[epoch - 1]:.3g}")
    at.segmented_control(key="evo_part").set_value("Network").run()
    assert len(fine(at).get("plotly_chart")) == 1
    assert linked(at, "unit") == "7", "what is not shown is not forgotten"


@pytest.mark.usefixtures("cache")
def test_a_click_into_the_heat_map_chooses_layer_and_epoch(first: OpenRun) -> None:
    from pages.ui.evolution.network import CHART, look_into, rows_of

    rows = rows_of([first])
    point = {"customdata": [0, 6, 1]}
    st.session_state[CHART] = {"selection": {"points": [point]}}
    look_into(first.run, rows)
    assert st.session_state["evo_layer"] == "conv3"
    assert st.session_state["evo_epoch"] == 1
    assert st.session_state["evo_part"] == "Layer"
    st.session_state[CHART] = {"selection": {"points": []}}
    look_into(first.run, rows)
    assert st.session_state["evo_layer"] == "conv3"


@pytest.mark.spec("DV-2", "DV-6", "DV-8", "DV-9")
@pytest.mark.usefixtures("cache")
def test_metric_variant_colours_and_digits_are_switched() -> None:
    at = fine(opened(PAGE, run=MODELS[0]))
    assert "Colour: discriminability (normalised), each layer on a scale of its own" in texts(at)
    for key, value in (
        ("metric", "density"),
        ("variant", "paper"),
        ("colours", "global"),
        ("digits", "density"),
    ):
        at.session_state[f"evo_{key}"] = value
        fine(at.run())
        assert linked(at, key) == value
    told = texts(at)
    assert "Colour: density, one scale; digits, where they fit: density" in told


@pytest.mark.usefixtures("cache")
def test_a_link_restores_the_view_and_a_bad_one_is_one_sentence() -> None:
    link = {"against": MODELS[0], "clusters": "3", "part": "Layer"}
    at = fine(opened(PAGE, run=MODELS[1], metric="density", **link))
    assert at.selectbox(key="evo_run").value == MODELS[1]
    assert at.selectbox(key="evo_against").value == MODELS[0]
    assert at.slider(key="evo_clusters").value == 3
    asked = {"run": "nothing", "layer": "conv99", "unit": "x", "metric": "charm", "epoch": "7"}
    bad = fine(opened(PAGE, **asked, clusters="99", layer_table="yes", part="Layer"))
    told = sorted(warning.value.split("“")[1].split("”")[0] for warning in bad.main.warning)
    assert told == ["7", "99", "charm", "conv99", "nothing", "x", "yes"]
    assert "The link asks for training run “nothing”, which there is not." in texts(bad)
    assert not set(asked) & set(bad.query_params)


@pytest.mark.usefixtures("cache")
def test_one_pixel_flips_per_epoch_are_drawn_or_their_command_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = f"python -m ndcore evolve {MODELS[0]} --vulnerability --data digits"
    row = {"epoch": 2, "flip_rate": 0.3, "flip_ci95": (0.1, 0.5), "attacked": 9, "flipped": 3}
    row |= {"benign": 20, "auroc": None, "auroc_ci95": None, "weights": "0", "seconds": 1.0}
    found = SimpleNamespace(epochs=[SimpleNamespace(to_dict=lambda: row)])
    values = [None, found]
    monkeypatch.setattr(
        EvolutionRun, "vulnerability", property(lambda run: values[0]), raising=False
    )
    at = fine(opened(PAGE, run=MODELS[0]))
    assert command in texts(at)
    values.pop(0)
    fine(at.run())
    assert command not in texts(at)
    assert "of 20 validation images, with 95% intervals" in texts(at)
    frame = curve_rows(open_run(MODELS[0]))
    assert frame["flip rate"].dropna().tolist() == [0.3]
    assert frame["flip 95% interval to"].dropna().tolist() == [0.5]
    assert len(frame) == EPOCHS


@pytest.mark.spec("DV-21")
@pytest.mark.usefixtures("cache")
def test_two_runs_are_compared_and_swapped() -> None:
    at = fine(opened(PAGE, run=MODELS[0], against=MODELS[1], layer="relu4"))
    assert len(at.get("plotly_chart")) == 1, "one overview"
    at.segmented_control(key="evo_part").set_value("Layer")
    fine(at.run())
    told = texts(at)
    assert f"**{MODELS[0]}**" in told
    assert f"**{MODELS[1]}**" in told
    assert len(at.get("plotly_chart")) == 3, "two grids, one map"
    at.button(key="evo_swap").click().run()
    fine(at)
    assert at.selectbox(key="evo_run").value == MODELS[1]
    assert at.selectbox(key="evo_against").value == MODELS[0]


@pytest.mark.spec("DV-6")
@pytest.mark.usefixtures("cache")
def test_the_numbers_are_those_of_the_recording(first: OpenRun) -> None:
    at = fine(opened(PAGE, run=MODELS[0], variant="paper"))
    at.session_state["evo_macro_open"] = True
    fine(at.run())
    frame = macro_rows(first, "paper")
    values = frame["discriminability (paper)"].to_numpy().reshape(12, EPOCHS)
    assert (values == first.run.macro("discriminability", "paper")).all()
    assert (frame["density"].to_numpy().reshape(12, EPOCHS) == first.run.macro("density")).all()


@pytest.mark.spec("DV-22", "DV-23", "DV-24", "DV-25", "DV-26", "DV-27", "DV-28", "DV-29", "DV-30")
@pytest.mark.usefixtures("cache")
def test_without_the_papers_networks_the_commands_are_told() -> None:
    at = fine(opened(PAGE, run=MODELS[0]))
    assert "Claims of the case studies" not in texts(at)
    at.segmented_control(key="evo_part").set_value("Findings")
    fine(at.run())
    assert "Claims of the case studies" in texts(at)
    (code,) = at.code
    assert "python -m ndcore train lenet-w --data .data --epochs 45 --record" in code.value
    assert len(code.value.splitlines()) == 12


@pytest.mark.spec(
    "DV-21", "DV-22", "DV-23", "DV-24", "DV-25", "DV-26", "DV-27", "DV-28", "DV-29", "DV-30"
)
def test_the_papers_findings_are_those_of_the_command(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path / "runs" / "lenet", "lenet")
    plant(tmp_path / "runs" / "shallow", "shallow", share=0.75)
    monkeypatch.setenv("ND_CACHE", str(tmp_path))
    at = fine(opened(PAGE, run="lenet"))
    at.segmented_control(key="evo_part").set_value("Findings")
    fine(at.run())
    document = findings_of()
    frame = accuracy_frame(document["accuracy"])
    assert frame["test %"].dropna().tolist() == pytest.approx([75, 80])
    assert frame["held-out lossless"].dropna().tolist() == [100, 100]
    tested = [row for row in document["findings"] if row["figures"]]
    accuracies = at.table[0].value
    assert accuracies.loc["lenet", "Paper"] == "80.24%"
    assert "**80.00%** (79.20-80.77%; n = 10,000" in accuracies.loc["lenet", "Test images"]
    assert "n = 100, lossless" in accuracies.loc["lenet", "Held-out images"]
    assert accuracies.loc["lenet", "Run"] == "lenet"
    assert "Recipe: **shallow, lenet**: SGD, rate 0.01 lowered after epochs 30 and 40" in texts(at)
    assert accuracies.loc["nin", "Run"] == "not recorded"
    shown = at.table[1].value
    assert len(shown) == len(tested) < len(findings_frame(document["findings"]))
    for (mark, row), told in zip(shown.iterrows(), tested, strict=True):
        assert str(mark).endswith(told["verdict"])
        assert told["claim"] in row["Claim"]
        assert told["rule"] not in row["Claim"]
        assert told["sentence"] in row["In numbers"]
    at.toggle(key="evo_rules").set_value(True).run()
    fine(at)
    assert tested[0]["rule"] in at.table[1].value["Claim"].iloc[0]
    assert "lenet-w" in at.code[0].value
    assert "train lenet " not in at.code[0].value
    at.pills(key="evo_verdicts").set_value(["held"]).run()
    fine(at)
    assert len(at.table[1].value) == document["summary"]["held"] > 0
    assert set(at.table[1].value.index) == {"✓ held"}


def test_warnings_are_told_with_their_rule_and_epochs(cache: Path) -> None:
    at = fine(opened(PAGE, run=MODELS[1]))
    found = load_run(MODELS[1]).warnings()
    assert found, "an untrained network of so few epochs has warnings"
    for warned in found:
        assert f"**{warned.layer}** (epochs {spans(warned.epochs)}" in texts(at)
        assert warned.sentence in texts(at)
    assert spans((1, 2, 3, 7, 9, 10)) == "1-3, 7, 9-10"


@pytest.mark.spec("DV-12", "DV-17", "DV-18", "DV-19")
def test_a_unit_shows_its_average_patches_and_purity(first: OpenRun) -> None:
    run, source = first.run, open_source("digits")
    picture = unit_pictures(first, "conv1", 3, [4])[4]
    found = run.patches("conv1", 4, 3, 20)
    assert len(picture.patches) == 5
    assert picture.activations == pytest.approx(found.activations)
    pixels = source.pixels([source.keys().index(key) for key in found.keys])
    padded = np.pad(pixels, ((0, 0), (9, 9), (9, 9), (0, 0)), constant_values=128)
    cut = np.stack(
        [
            image[t + 9 : b + 9, left + 9 : right + 9]
            for image, (t, left, b, right) in zip(padded, found.boxes, strict=True)
        ]
    )
    expected = weighted_average(cut, found.activations)
    assert picture.average is not None
    assert expected is not None
    part = trimmed(found.boxes, (8, 8))
    assert picture.average == pytest.approx(expected[part], abs=0.51)
    assert 0 < picture.clearness <= 1.2
    assert picture.classes[0][1] == np.bincount(found.labels).max()


@pytest.mark.spec("DV-17")
def test_a_cluster_averages_its_nearest_units_by_distance(first: OpenRun) -> None:
    found = first.run.clusters("conv4", 3, 3)
    averages = cluster_pictures(first, "conv4", 3, found)
    assert len(averages) == 3
    for average, near, weights in zip(averages, found.nearest, found.weights, strict=True):
        units = unit_pictures(first, "conv4", 3, [int(unit) for unit in near])
        known = [(units[int(u)].average, w) for u, w in zip(near, weights, strict=True)]
        shown = [(image, w) for image, w in known if image is not None]
        if average is None:
            assert not shown
            continue
        total = sum(w for _, w in shown)
        assert average == pytest.approx(sum(image * w for image, w in shown) / total, rel=1e-4)


@pytest.mark.spec("DV-14")
@pytest.mark.usefixtures("cache")
def test_the_number_of_clusters_is_changed_on_the_page() -> None:
    at = fine(opened(PAGE, run=MODELS[0], layer="conv3", part="Layer"))
    assert "cluster 1" in "".join(str(html.value) for html in at.get("html"))
    assert at.slider(key="evo_clusters").value == 5
    at.slider(key="evo_clusters").set_value(8).run()
    at.segmented_control(key="evo_cluster").set_value(3).run()
    fine(at)
    assert (linked(at, "clusters"), linked(at, "cluster")) == ("8", "3")
    assert "cluster 3" in "".join(str(html.value) for html in at.get("html"))


@pytest.mark.usefixtures("cache")
def test_nothing_is_drawn_anew_where_nothing_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [fine(opened(PAGE, run=MODELS[0], part=part)) for part in ("Network", "Layer")]

    def drawn(*_: object, **__: object) -> None:
        raise AssertionError("a figure was drawn anew")

    for figure in ("network.macro_figure", "layer.levels_figure", "clusters.plane_figure"):
        monkeypatch.setattr(f"pages.ui.evolution.{figure}", drawn)
    for at in pages:
        fine(at.run())
    at.selectbox(key="evo_unit").select(1).run()
    assert at.exception, "another neuron is another figure"


@pytest.mark.spec("DV-20")
@pytest.mark.usefixtures("cache")
def test_facets_are_found_in_the_background_and_their_number_changes() -> None:
    at = fine(opened(PAGE, run=MODELS[0], layer="conv2", unit="1", part="Neuron"))
    at.slider(key="evo_facets").set_value(4).run()
    at.button(key="evo_show_facets").click().run()
    job = ended(job_of(at, "facet"))
    fine(at.run())
    shown = "".join(str(html.value) for html in at.get("html"))
    assert "facet 4:" in shown
    assert "facet 5:" not in shown
    assert "40 patches that drive the neuron most" in texts(at)
    link = {"run": MODELS[0], "layer": "conv2", "unit": "1", "facets": "4", "part": "Neuron"}
    assert not fine(opened(PAGE, **link)).get("plotly_chart"), "nobody asked here"
    other = fine(opened(PAGE, **link, facet=job.id))
    assert len(other.get("plotly_chart")) == 1
    at.selectbox(key="evo_unit").select(2).run()
    assert job_of(at, "facet") is not job, "those of the next neuron are looked for too"
    other.selectbox(key="evo_unit").select(2).run()
    assert job_of(other, "facet") is job_of(at, "facet"), "one search for two sessions"


@pytest.mark.usefixtures("cache")
def test_facets_are_stopped_and_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(job: Job, *_: object) -> None:
        while not job.stopping:
            time.sleep(0.01)
        raise StoppedError("stopped")

    monkeypatch.setattr("pages.ui.evolution.unit.find_facets", endless)
    at = fine(opened(PAGE, run=MODELS[0], layer="conv1", unit="3", part="Neuron"))
    at.button(key="evo_show_facets").click().run()
    job = job_of(at, "facet")
    at.button(key="stop_facet").click().run()
    assert ended(job).state == "cancelled"
    assert "The search for facets was stopped" in texts(at.run())
    at.button(key="evo_show_facets").click().run()
    again = job_of(at, "facet")
    assert again is not job
    again.cancel()


@pytest.mark.spec("DV-20")
def test_the_work_reports_and_stops(first: OpenRun) -> None:
    found = first.run.patches("conv2", 1, 3, 1000)
    job = Job("facets", 60)
    reader = reader_of(first.run)
    job.run(lambda job: find_facets(job, found, reader, (8, 8, 1), 3))
    assert job.state == "done"
    assert job.result.facets.sizes.sum() == 40
    assert job.progress[0] == pytest.approx(0.4)
    stopped = Job("facets", -1)
    stopped.run(lambda job: find_facets(job, found, reader, (8, 8, 1), 3))
    assert stopped.state == "cancelled"


def test_without_its_images_a_recording_still_opens(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(recorded / "runs" / MODELS[0], tmp_path / "runs" / "own")
    about = tmp_path / "runs" / "own" / "evolution" / "record.json"
    about.write_text(about.read_text().replace('"data": "digits"', '"data": "folder"'))
    seal(about.parent)
    monkeypatch.setenv("ND_CACHE", str(tmp_path))
    for part in ("Neuron", "Layer"):
        at = fine(opened(PAGE, run="own", layer="conv2", part=part))
        assert "The pictures of patches need the images" in texts(at)
        assert "<img" not in "".join(str(html.value) for html in at.get("html"))
    keep_averages(load_run("own"), open_source("digits"))
    for part, said in (("Neuron", "neuron "), ("Layer", "cluster 1")):
        at = fine(opened(PAGE, run="own", layer="conv2", part=part))
        assert "The pictures of patches need the images" not in texts(at)
        needed = "The patches themselves, and the facets they fall into, need the images"
        assert (needed in texts(at)) == (part == "Neuron")
        shown = "".join(str(html.value) for html in at.get("html"))
        assert "<img" in shown
        assert said in shown
    at.select_slider(key="evo_epoch").set_value(1).run()
    fine(at)
    assert "averages were kept at epoch 3." in texts(at)


def test_a_damaged_run_is_one_sentence(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(recorded / "runs", tmp_path / "runs")
    monkeypatch.setenv("ND_CACHE", str(tmp_path))
    (tmp_path / "runs" / MODELS[0] / "evolution" / "epoch-002.npz").write_bytes(b"no")
    at = opened(PAGE, run=MODELS[0])
    assert not at.exception
    assert len(at.error) == 1
    assert "damaged" in at.error[0].value
    assert at.selectbox(key="evo_run").value == MODELS[0], "another run can be chosen"


@pytest.mark.parametrize("name", ["detail-003.npz", "pool.npz"])
def test_damaged_details_are_one_sentence_below_the_levels(
    name: str, recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(recorded / "runs", tmp_path / "runs")
    monkeypatch.setenv("ND_CACHE", str(tmp_path))
    (tmp_path / "runs" / MODELS[0] / "evolution" / name).write_bytes(b"no")
    at = opened(PAGE, run=MODELS[0], part="Layer")
    assert not at.exception
    assert len(at.error) == 1
    assert f"{name} cannot be read (" in at.error[0].value
    assert at.get("plotly_chart"), "the layer's levels are shown"


def test_a_run_in_training_says_so_and_shows_new_epochs(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "runs" / MODELS[0] / "evolution"
    shutil.copytree(recorded / "runs" / MODELS[0] / "evolution", folder)
    (folder / "result.json").unlink()
    late = (folder / "epoch-003.npz").read_bytes()
    (folder / "epoch-003.npz").unlink()
    monkeypatch.setenv("ND_CACHE", str(tmp_path))
    at = fine(opened(PAGE, run=MODELS[0]))
    assert "has not ended (2 epochs so far)" in texts(at)
    (folder / "epoch-003.npz").write_bytes(late)
    fine(at.run())
    assert "(3 epochs so far)" in texts(at)
