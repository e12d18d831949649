"""Recording a run, resuming it, and reading it back: on digits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ndcore.cli import main
from ndcore.data.catalog import open_source
from ndcore.data.splits import positions
from ndcore.errors import BadRequestError, RunError, StoppedError
from ndcore.evolution import (
    average_of,
    clearness,
    cut_patches,
    facets_of,
    keep_averages,
    kept_averages,
    kept_epochs,
    list_runs,
    load_run,
    weighted_average,
)
from ndcore.evolution.facet_classes import kept_facet_classes
from ndcore.evolution.layers import WatchedLayer, thinning
from ndcore.evolution.metrics import density, discriminability, unit_distances
from ndcore.evolution.recording.recorder import RecordConfig, Recorder, chosen_epochs
from ndcore.evolution.recording.watch import values_of_layers
from ndcore.evolution.store import SUMS, seal
from ndcore.networks.forward import predict
from ndcore.networks.registry import build_model, model_spec
from ndcore.networks.weights import load_weights
from ndcore.training.loop import train
from ndcore.training.recipes import recipe
from tests.planted_runs import plant

EPOCHS = 6
MODEL = "lenet-sig4-digits"
SMALL = RecordConfig(per_class=16, pool=300, top=5, top_last=40)


def record(folder: Path, stop_after: int | None = None, epochs: int = EPOCHS) -> dict:
    rows: list[dict] = []
    return train(
        model_spec(MODEL),
        open_source("digits"),
        replace(recipe(MODEL), epochs=epochs),
        folder,
        on_epoch=rows.append,
        should_stop=None if stop_after is None else lambda: len(rows) >= stop_after,
        recorder=Recorder(folder, SMALL),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    record(folder)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("evolution/*"))}


def test_chosen_epochs() -> None:
    assert chosen_epochs(45) == (1, 2, 5, 10, 15, 20, 25, 30, 35, 40, 45)
    assert chosen_epochs(1) == (1,)
    assert chosen_epochs(7) == (1, 2, 5, 7)


def test_recording_leaves_the_training_as_it_was(folder: Path, tmp_path: Path) -> None:
    config = replace(recipe(MODEL), epochs=EPOCHS)
    state = torch.get_rng_state()
    plain = train(model_spec(MODEL), open_source("digits"), config, tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    recorded = json.loads((folder / "run.json").read_text())
    assert plain["weight_hash"] == recorded["weight_hash"]
    assert not (tmp_path / "evolution").exists()


@pytest.mark.spec("DV-0")
def test_network_layer_and_unit_over_all_epochs(folder: Path) -> None:
    run = load_run(folder)
    assert run.epochs.tolist() == [1, 2, 3, 4, 5, 6]
    assert run.detailed == (1, 2, 5, 6)
    assert [layer.name for layer in run.layers][-3:] == ["conv4", "sig4", "conv5"]
    macro = run.macro()
    assert macro.shape == (12, 6)
    for row, layer in enumerate(run.layers):
        units = run.units(layer.name)
        assert units.shape == (layer.units, 6)
        assert macro[row] == pytest.approx(units.mean(0))
        assert (run.units(layer.name, "density") <= 1).all()


@pytest.mark.spec("DV-6")
def test_metrics_are_those_of_the_weights_at_that_epoch(folder: Path) -> None:
    run = load_run(folder)
    recorder = Recorder(folder, SMALL)
    whole = json.loads((folder / "run.json").read_text())
    source = open_source("digits")
    model = load_weights(build_model(MODEL), folder / "snapshots" / "epoch-005.safetensors")
    assert recorder.holds(whole)
    # The very sample: the same number of each class, by the recorder's own choice.
    rng, members = (
        np.random.default_rng(0),
        np.array(positions(source, whole["splits"]["reference"])),
    )
    labels = source.labels[members]
    sample = np.concatenate([rng.permutation(members[labels == c])[:16] for c in range(10)])
    at = run.epochs.tolist().index(5)
    for layer, seen in values_of_layers(model, run.layers, source.pixels(sample)):
        by_class = seen.values.reshape(10, 16, layer.units, -1).transpose(0, 2, 1, 3)
        samples = by_class.reshape(10, layer.units, -1)
        assert samples.shape[2] == run.samples(layer.name)
        for variant in ("paper", "normalised"):
            found = run.units(layer.name, "discriminability", variant)[:, at]
            # Snapshots are rounded to half precision.
            assert found == pytest.approx(discriminability(samples, variant), rel=0.02, abs=1e-3)
        assert run.units(layer.name, "density")[:, at] == pytest.approx(
            density(seen.values), abs=2e-3
        )


@pytest.mark.spec("DV-30")
def test_epoch_0_is_the_untrained_network(folder: Path, tmp_path: Path) -> None:
    run, again = load_run(folder), tmp_path / "again"
    assert run.start is not None
    assert 0 not in run.epochs
    with pytest.raises(StoppedError):
        record(again, stop_after=2)
    begun = (again / "evolution" / "epoch-000.npz").read_bytes()
    record(again)
    assert (again / "evolution" / "epoch-000.npz").read_bytes() == begun, "resumed, not done anew"
    assert begun == (folder / "evolution" / "epoch-000.npz").read_bytes()
    whole = json.loads((folder / "run.json").read_text())
    with torch.random.fork_rng():
        torch.manual_seed(whole["config"]["seed"])
        untrained = model_spec(MODEL).build()
    source = open_source("digits")
    members = positions(source, whole["splits"]["reference"])
    Recorder(again, SMALL).start(whole | {"epochs": []}, untrained, source, members)
    with np.load(again / "evolution" / "epoch-000.npz") as own:
        assert all(np.array_equal(values, own[name]) for name, values in run.start.items())
    model = load_weights(build_model(MODEL), folder / "snapshots" / "epoch-006.safetensors")
    Recorder(again, SMALL).start(whole | {"epochs": []}, model, source, members)
    with np.load(again / "evolution" / "epoch-000.npz") as own:
        # Snapshots are rounded to half precision.
        assert run.between() == pytest.approx(own["between"].astype(float), abs=2e-3)
    (folder / "evolution" / "epoch-000.npz").rename(tmp_path / "kept")
    older = load_run(folder)
    without = older.start
    (tmp_path / "kept").rename(folder / "evolution" / "epoch-000.npz")
    assert without is None
    assert older.epochs.tolist() == run.epochs.tolist()


@pytest.mark.spec("DV-20")
def test_the_classes_of_facets_are_kept_by_a_command(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = load_run(folder)
    assert kept_facet_classes(run, "conv2") is None
    command = ["evolve", str(folder), "--facets", "conv2", "--data", "digits", "--json", "-"]
    assert main(command) == 0
    found = kept_facet_classes(run, "conv2")
    assert found is not None
    assert found.counts.shape == (run.layer("conv2").units, 10, 10)
    for unit, counts in enumerate(found.counts):
        patches = run.patches("conv2", unit, EPOCHS, 1000)
        assert counts.sum(0).tolist() == np.bincount(patches.labels, minlength=10).tolist()
        assert counts[found.highest[unit]][patches.labels[0]] > 0
    path = next(run.folder.glob("facets-*"))
    kept = path.read_bytes()
    path.write_bytes(kept[:50])
    with pytest.raises(RunError, match="damaged"):
        kept_facet_classes(run, "conv2")
    path.unlink()
    seal(run.folder)
    capsys.readouterr()
    assert main(["evolve", str(folder), "--facets", "conv99", "--data", "digits"]) == 2
    assert "'conv99' was not recorded" in capsys.readouterr().err


@pytest.mark.spec("DV-7")
def test_curves(folder: Path) -> None:
    run, whole = load_run(folder), json.loads((folder / "run.json").read_text())
    assert run.curves["train_loss"] == pytest.approx([r["loss"] for r in whole["epochs"]], abs=1e-4)
    right = [1 - row["dev_accuracy"] for row in whole["epochs"]]
    assert run.curves["validation_top1_error"] == pytest.approx(right, abs=1e-4)
    assert (run.curves["train_top5_error"] < run.curves["train_top1_error"]).all()
    source, at = open_source("digits"), run.epochs.tolist().index(5)
    members = positions(source, whole["splits"]["dev"])
    model = load_weights(build_model(MODEL), folder / "snapshots" / "epoch-005.safetensors")
    logits = predict(model, source, members)
    own = logits[np.arange(len(members)), source.labels[members]]
    above = (logits > own[:, None]).sum(1)
    for first in (1, 5):
        # Half precision of the snapshot may turn the order of one image round.
        found = run.curves[f"validation_top{first}_error"][at]
        assert found == pytest.approx((above >= first).mean(), abs=1.5 / len(members))


@pytest.mark.spec("DV-12")
def test_top_patches_are_the_highest_of_the_pool(folder: Path) -> None:
    run, source = load_run(folder), open_source("digits")
    model = load_weights(build_model(MODEL), folder / "snapshots" / "epoch-006.safetensors")
    with np.load(folder / "evolution" / "pool.npz") as pool:
        keys = pool["keys"].tolist()
    assert len(set(keys)) == SMALL.pool
    pixels = source.pixels(positions(source, keys))
    for layer, seen in values_of_layers(model, run.layers, pixels):
        highest = np.sort(seen.values.max(-1), axis=0)[::-1][:40]
        for unit in (0, layer.units - 1):
            found = run.patches(layer.name, unit, 6, k=1000)
            assert len(found) == 40
            assert (np.diff(found.activations) <= 0).all()
            spread = float(np.ptp(highest[:, unit])) + 1e-3
            assert found.activations == pytest.approx(highest[:, unit], abs=0.05 * spread + 2e-3)
            assert (source.labels[positions(source, list(found.keys))] == found.labels).all()
            assert len(run.patches(layer.name, unit, 5)) == 5
    assert predict(model, source, [0]).shape == (1, 10)


@pytest.mark.spec("DV-13")
def test_distances_come_from_the_class_samples(folder: Path) -> None:
    run = load_run(folder)
    for name in ("conv2", "conv5"):
        sketch = run.sketch(name, 6)
        assert sketch.shape == (10, run.layer(name).units, 16)
        assert (np.diff(sketch, axis=-1) >= 0).all()
        found = run.distances(name, 6, "normalised")
        assert found == pytest.approx(unit_distances(sketch))
        factor = np.sqrt(run.samples(name))
        assert run.distances(name, 6) == pytest.approx(found * factor)


@pytest.mark.spec("DV-14", "DV-15", "DV-16")
def test_clusters_of_a_layer(folder: Path) -> None:
    run = load_run(folder)
    found, again = (run.clusters("conv3", 6) for _ in range(2))
    assert found.sizes.tolist() == sorted(found.sizes.tolist(), reverse=True)
    assert found.sizes.sum() == 64
    assert len(found.sizes) == 5
    assert (found.places == again.places).all()
    assert len(run.clusters("conv3", 6, clusters=9).sizes) == 9


@pytest.mark.spec("DV-28")
def test_units_of_the_final_layer_stand_for_their_classes(folder: Path) -> None:
    run, source = load_run(folder), open_source("digits")
    name = run.layers[-1].name
    shares = []
    for unit in range(run.layer(name).units):
        found = run.patches(name, unit, EPOCHS, k=1000)
        pixels = source.pixels(positions(source, list(found.keys)))
        patches = cut_patches(pixels, found.boxes)
        shares.append(np.mean(found.labels[:5] == unit))
        average = weighted_average(patches[:20], found.activations[:20])
        assert average is not None
        assert 0 < clearness(patches[:20], average) < 1
        facets = facets_of(patches, found.activations, 3)
        assert facets.sizes.sum() == len(found) == 40
    assert np.mean(shares) > 0.5  # 0.1 by chance


def test_a_killed_run_goes_on_without_doubling_an_epoch(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        record(tmp_path, stop_after=3)
    assert load_run(tmp_path).epochs.tolist() == [1, 2, 3]
    # As if killed between the recording of an epoch and its checkpoint, and within a write.
    place = tmp_path / "evolution"
    (place / "epoch-004.npz").write_bytes(b"half")
    (place / "detail-005.npz").write_bytes(b"half")
    (place / ".epoch-005.npz.abc").write_bytes(b"half")
    record(tmp_path)
    assert files(tmp_path) == files(folder)


def test_a_kill_before_the_checkpoint_costs_that_epoch_alone(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        record(tmp_path, stop_after=2)
    before = (tmp_path / "state.safetensors").read_bytes()
    with pytest.raises(StoppedError):
        record(tmp_path, stop_after=1)
    (tmp_path / "state.safetensors").write_bytes(before)
    rows: list[dict] = []
    config = replace(recipe(MODEL), epochs=EPOCHS)
    source, recorder = open_source("digits"), Recorder(tmp_path, SMALL)
    train(model_spec(MODEL), source, config, tmp_path, on_epoch=rows.append, recorder=recorder)
    assert [row["epoch"] for row in rows] == [3, 4, 5, 6]
    assert files(tmp_path) == files(folder)


def test_a_recording_that_ends_early_is_not_held(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        record(tmp_path, stop_after=1)
    config = replace(recipe(MODEL), epochs=EPOCHS)
    run = train(model_spec(MODEL), open_source("digits"), config, tmp_path)
    assert load_run(tmp_path).epochs.tolist() == [1]
    assert not Recorder(tmp_path, SMALL).holds(run)


def test_a_damaged_checkpoint_starts_the_recording_again(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        record(tmp_path, stop_after=3)
    (tmp_path / "state.safetensors").write_bytes(b"nothing")
    with pytest.raises(StoppedError):
        record(tmp_path, stop_after=1)
    assert load_run(tmp_path).epochs.tolist() == [1]


def test_another_recipe_forgets_the_old_recording(tmp_path: Path) -> None:
    record(tmp_path, epochs=3)
    record(tmp_path, epochs=2)
    assert load_run(tmp_path).epochs.tolist() == [1, 2]
    assert sorted(path.name for path in (tmp_path / "snapshots").iterdir()) == [
        "epoch-001.safetensors",
        "epoch-002.safetensors",
    ]


def test_a_recording_is_small_and_holds_no_pixels(folder: Path) -> None:
    sizes = {name: len(data) for name, data in files(folder).items()}
    assert max(size for name, size in sizes.items() if name.startswith("epoch")) < 8_000
    assert sum(sizes.values()) < 600_000
    for path in (folder / "evolution").glob("*.npz"):
        with np.load(path, allow_pickle=False) as arrays:
            assert "pixels" not in arrays.files


@pytest.mark.spec("DV-17")
def test_averages_are_kept_for_a_machine_without_the_images(
    copied: Path,
) -> None:
    run, source = load_run(copied), open_source("digits")
    assert kept_epochs(run) == ()
    keep_averages(run, source)
    assert kept_epochs(run) == (EPOCHS,)
    where = {key: row for row, key in enumerate(source.keys())}
    assert {layer.kind for layer in run.layers} >= {"conv", "relu", "sigmoid", "pool"}
    for layer in run.layers:
        kept = kept_averages(run, layer.name, EPOCHS)
        assert len(kept) == layer.units
        for unit in (0, layer.units - 1):
            found = run.patches(layer.name, unit, EPOCHS, 20)
            pixels = source.pixels([where[key] for key in found.keys])
            wanted, _ = average_of(pixels, found, (8, 8))
            if wanted.image is None:
                assert kept[unit].image is None
            else:
                assert kept[unit].image.shape == wanted.image.shape
                away = np.abs(kept[unit].image.astype(int) - wanted.image)
                assert away.mean() < 4
            assert kept[unit].clearness == pytest.approx(wanted.clearness, rel=1e-6)
    with pytest.raises(RunError, match="not in samples"):
        keep_averages(run, open_source("samples"))
    path = copied / "evolution" / f"averages-{EPOCHS:03d}.npz"
    (copied / "evolution" / SUMS).unlink()
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    np.savez(path, **(arrays | {"files": arrays["files"][:-1]}))
    with pytest.raises(RunError, match="does not fit its lengths"):
        kept_averages(run, "conv1", EPOCHS)
    np.savez(path, **(arrays | {"files": np.zeros_like(arrays["files"])}))
    with pytest.raises(RunError, match="holds a broken picture"):
        kept_averages(run, "conv1", EPOCHS)
    path.write_bytes(b"no")
    with pytest.raises(RunError, match="cannot be read"):
        kept_averages(run, "conv1", EPOCHS)


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    import shutil

    shutil.copytree(folder / "evolution", tmp_path / "run" / "evolution")
    return tmp_path / "run"


@pytest.mark.parametrize("name", ["record.json", "pool.npz", "epoch-002.npz", "detail-006.npz"])
@pytest.mark.parametrize("harm", ["cut", "gone", "swapped"])
def test_a_damaged_recording_is_one_sentence(copied: Path, name: str, harm: str) -> None:
    path = copied / "evolution" / name
    if harm == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif harm == "gone":
        path.unlink()
    else:
        other = "detail-001.npz" if name.startswith("epoch") else "epoch-001.npz"
        path.write_bytes((path.parent / other).read_bytes())
    if harm == "gone" and name.startswith("epoch"):
        assert load_run(copied).epochs.tolist() == [1, 3, 4, 5, 6]
        return
    with pytest.raises((RunError, BadRequestError)) as raised:
        load_run(copied).patches("conv1", 0, 6)
    assert "\n" not in str(raised.value)


def test_other_versions_and_bad_questions(copied: Path) -> None:
    run = load_run(copied / "evolution")
    with pytest.raises(BadRequestError, match="layer 'conv9' was not recorded"):
        run.units("conv9")
    with pytest.raises(BadRequestError, match="unknown metric 'charm'"):
        run.units("conv1", "charm")
    with pytest.raises(BadRequestError, match="unknown variant 'half'"):
        run.macro(variant="half")
    with pytest.raises(BadRequestError, match="kept at 1, 2, 5, 6"):
        run.clusters("conv1", 3)
    with pytest.raises(BadRequestError, match=r"units 0 \.\.\. 31, got 32"):
        run.patches("conv1", 32, 6)
    record_file = copied / "evolution" / "record.json"
    (copied / "evolution" / SUMS).unlink()
    about = json.loads(record_file.read_text())
    record_file.write_text(json.dumps(about | {"schema": 99}))
    with pytest.raises(RunError, match="another version"):
        load_run(copied)
    del about["layers"]
    record_file.write_text(json.dumps(about))
    with pytest.raises(RunError, match=r"layers is missing"):
        load_run(copied)


@pytest.mark.usefixtures("empty_cache")
def test_evolve_prints_what_was_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "shallow-digits", "--epochs", "2", "--record", "--json", "-"]) == 0
    trained = json.loads(capsys.readouterr().out)
    assert list_runs() == ["shallow-digits"]
    assert main(["evolve", "shallow-digits", "--layer", "conv2", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    run = load_run("shallow-digits")
    assert found["run"] == trained["recording"] == str(run.folder)
    assert found["epochs"] == [1, 2]
    assert [row["layer"] for row in found["layers"]] == [layer.name for layer in run.layers]
    for row, values, dense in zip(found["layers"], run.macro(), run.macro("density"), strict=True):
        assert row["discriminability"] == values.tolist()
        assert row["density"] == dense.tolist()
    assert found["loss"] == found["train"]["loss"] == run.curves["train_loss"].tolist()
    assert found["top1_error"] == found["validation"]["top1_error"]
    assert len(found["units"]) == 20
    assert found["rate_lowered"][0]["after_epoch"] == 1
    assert len(found["rate_lowered"][0]["change"]) == len(found["layers"])
    assert all(-1 <= row["correlation"] <= 1 for row in found["layers"])
    assert found["result"]["test_accuracy"] == trained["test_accuracy"]
    assert main(["evolve", "shallow-digits", "--variant", "normalised", "--json", "-"]) == 0
    other = json.loads(capsys.readouterr().out)
    assert other["layers"][0]["discriminability"] == run.macro(variant="normalised")[0].tolist()
    assert main(["evolve", "shallow-digits"]) == 0
    told = capsys.readouterr().out
    assert "12 conv5" not in told
    first, second = (
        "{:.3f} -> {:.3f}".format(*run.curves[f"{part}_loss"][[0, -1]])
        for part in ("train", "validation")
    )
    images = found["validation"]["n"]
    assert f"loss {first} in training; in validation (n = {images:,}) {second}, top-1" in told
    # A finished recording is kept; a finished run without one cannot be recorded any more.
    assert main(["train", "shallow-digits", "--epochs", "2", "--record"]) == 0
    assert main(["train", "lenet-digits", "--epochs", "1"]) == 0
    again = ["train", "shallow-digits", "--epochs", "1", "--seed", "1", "--record", "--run"]
    assert main([*again, "second"]) == 0
    assert list_runs() == ["second", "shallow-digits"]
    capsys.readouterr()
    for arguments, text in (
        (["train", "lenet-digits", "--epochs", "1", "--record"], "without --record"),
        (["train", "lenet-digits", "--epochs", "1", "--run", ".."], "is no name of a run"),
        (["train", "lenet-digits", "--epochs", "1", "--run", "a/b"], "is no name of a run"),
        (["evolve", "lenet-digits"], "choose second, shallow-digits"),
        (["evolve", "shallow-digits", "--layer", "conv9"], "'conv9' was not recorded"),
        (["evolve", "shallow-digits", "--variant", "half"], "unknown variant 'half'"),
        (["train", "lenet", "--data", "digits"], "(8, 8, 1) but lenet takes"),
    ):
        assert main(arguments) == 2
        line = capsys.readouterr().err
        assert text in line
        assert line.count("\n") == 1


def test_any_model_can_be_recorded(tmp_path: Path) -> None:
    config = replace(recipe("digits-cnn"), epochs=1)
    recorder = Recorder(tmp_path, SMALL)
    train(model_spec("digits-cnn"), open_source("digits"), config, tmp_path, recorder=recorder)
    run = load_run(tmp_path)
    kinds = {layer.name: layer.kind for layer in run.layers}
    assert kinds["block1_conv1"] == kinds["dense_1"] == "relu"
    assert kinds["dense_2"] == "dense"
    assert run.layer("dense_1").size == (1, 1)
    assert len(run.patches("dense_1", 3, 1, k=1000)) == 40


def test_samples_are_counted_as_they_are_measured(tmp_path: Path) -> None:
    """A map wider than 16 is thinned; the paper's variant stays that of the whole map."""
    for side, cells in ((1, 1), (15, 225), (16, 256), (17, 64), (32, 256), (40, 169)):
        kept = np.zeros((side, side))[thinning((side, side))]
        layer = WatchedLayer("conv1", 1, "conv", 8, (side, side))
        assert kept.size == layer.watched == cells
    run = load_run(plant(tmp_path, "lenet"))
    images = run.about["sample_per_class"]
    assert run.layers[0].size == (32, 32)
    assert run.samples("conv1") == 16 * 16 * images
    paper, normalised = (run.units("conv1", variant=v) for v in ("paper", "normalised"))
    assert paper / normalised == pytest.approx(np.sqrt(32 * 32 * images) * 0.9)
