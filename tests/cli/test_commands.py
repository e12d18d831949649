from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ndcore.bundles.bundle import Bundle
from ndcore.cli import main
from ndcore.cli.commands.attack import _file_name


def run(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> dict:
    assert main([*arguments, "--json", "-"]) == status
    return json.loads(capsys.readouterr().out)


def test_status(capsys: pytest.CaptureFixture[str], digits_bundle: Bundle) -> None:
    found = run(capsys, "status")
    assert {"version", "bundles", "sources", "device"} <= found.keys()
    assert found["bundles"][0]["ready"]
    assert found["runs"] == []
    assert main(["status"]) == 0
    told = capsys.readouterr().out
    assert "digits-cnn: ready" in told
    assert "recorded training runs: none" in told


def test_from_nothing_to_a_verdict(
    capsys: pytest.CaptureFixture[str], empty_cache: Path, tmp_path: Path
) -> None:
    trained = run(capsys, "train", "digits-cnn")
    assert trained["test_accuracy"] > 0.95
    assert len(trained["epochs"]) == 20
    again = run(capsys, "train", "digits-cnn")
    assert again["weight_hash"] == trained["weight_hash"]
    built = run(capsys, "build", "digits-cnn", "--gallery", "2", "--gallery-images", "10")
    assert built["bundle"] == "digits-cnn"
    assert built["images"] == 1078
    assert built["peak_memory_mb"] > 0
    accuracy = run(capsys, "evaluate", "--bundle", "digits-cnn")
    assert accuracy["split"] == "evaluation"
    assert accuracy["accuracy"] == built["accuracy"]["accuracy"]
    assert sum(row["n"] for row in accuracy["per_class"].values()) == accuracy["n"]

    attack = ["attack", "--bundle", "digits-cnn", "--source", "digits", "--n", "8"]
    attack += ["--engine", "de", "--max-queries", "800", "--out"]
    first = run(capsys, *attack, str(tmp_path / "a"))
    second = run(capsys, *attack, str(tmp_path / "b"))
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "b").iterdir())
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert first["engine"] == "de"
    assert first["budget"] == 800
    assert first["summary"]["succeeded"] >= 1
    keys = {"id", "true", "predicted_before", "predicted_after", "success", "pixels"}
    keys |= {"confidence_before", "confidence_after", "queries", "seconds"}
    assert keys <= first["results"][0].keys()
    for row, other in zip(first["results"], second["results"], strict=True):
        assert {**row, "seconds": 0} == {**other, "seconds": 0}

    pngs = [str(path) for path in sorted((tmp_path / "a").glob("*.png"))]
    verdicts = run(capsys, "detect", "digits:5", *pngs, "--bundle", "digits-cnn")
    assert [row["file"] for row in verdicts["results"]] == ["digits:5", *pngs]
    for row in verdicts["results"]:
        assert {"predicted", "confidence", "score", "p_value", "flagged"} <= row.keys()
        assert row["layers"]
        assert {"layer", "unit", "activation", "class_median", "p_value"} <= row["units"][0].keys()


def test_engines_on_the_command_line(
    capsys: pytest.CaptureFixture[str], digits_bundle: Bundle
) -> None:
    base = ["attack", "--bundle", "digits-cnn", "--source", "digits", "--n", "6", "--lossless"]
    complete = run(capsys, *base, "--engine", "exhaustive", "--precision", "float32")
    assert complete["budget"] == 128
    rows = [row for row in complete["results"] if not row["skipped"]]
    assert rows
    for row in rows:
        assert row["complete"]
        assert row["precision"] == "float32"
        assert {target["class"] for target in row["targets"]} == set("0123456789") - {row["true"]}
        reached = any(target["reached"] for target in row["targets"])
        assert reached == row["success"] == (row["vulnerable_share"] > 0)
    quick = run(capsys, *base, "--then", "exhaustive", "--pixels", "3")
    assert (quick["engine"], quick["then"], quick["pixels"]) == ("fast", "exhaustive", 3)
    assert quick["summary"]["succeeded"] >= complete["summary"]["succeeded"]
    aimed = run(capsys, *base, "--target", "3")
    assert all(row["predicted_after"] == "3" for row in aimed["results"] if row["success"])
    gradients = run(capsys, *base, "--engine", "pgd", "--epsilon", "70")
    for row in gradients["results"]:
        assert row["distances"]["linf"] <= 70 / 255 + 1e-6
        assert len(row["pixels"]) <= 5
    assert main([*base, "--engine", "fgsm", "--epsilon", "90"]) == 0
    assert "pixels, L2" in capsys.readouterr().out


def test_detect_can_fail_on_a_flag(
    capsys: pytest.CaptureFixture[str], digits_bundle: Bundle, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    path = tmp_path / "noise.png"
    Image.fromarray(noise).save(path)
    arguments = ["detect", str(path), "--bundle", "digits-cnn", "--fail-on-flag", "--alpha"]
    # How unusual noise is depends on the weights; that p <= alpha is an alarm does not.
    p = run(capsys, *arguments, "0.001")["results"][0]["p_value"]
    assert run(capsys, *arguments, str(p), status=1)["results"][0]["flagged"]
    assert not run(capsys, *arguments, str(0.99 * p))["results"][0]["flagged"]


def test_distributions_and_files(
    capsys: pytest.CaptureFixture[str], digits_bundle: Bundle, tmp_path: Path
) -> None:
    table, document = tmp_path / "t.csv", tmp_path / "d.json"
    arguments = ["distributions", "--bundle", "digits-cnn", "--layer", "block1_conv1"]
    arguments += ["--classes", "3", "5", "--csv", str(table), "--json", str(document)]
    assert main(arguments) == 0
    found = json.loads(document.read_text())
    assert (found["layer"], found["reduction"], found["bins"]) == ("block1_conv1", "max", 256)
    assert len(found["units"]) == 16
    assert [row["class"] for row in found["classes"]] == ["3", "5"]
    counts = np.array(found["classes"][0]["counts"])
    assert counts.shape == (16, 257)
    assert (counts.sum(1) == found["classes"][0]["n"]).all()
    rows = table.read_text().splitlines()
    assert rows[0] == "class,unit,bin,low,high,count"
    total = sum(int(row.rsplit(",", 1)[1]) for row in rows[1:])
    assert total == 16 * sum(row["n"] for row in found["classes"])


def test_bench_distributions(capsys: pytest.CaptureFixture[str], digits_bundle: Bundle) -> None:
    found = run(capsys, "bench", "distributions", "--bundle", "digits-cnn", "--n", "256")
    assert found["name"] == "distributions"
    assert {"what", "value", "unit", "against", "ratio"} == found["rows"][1].keys()


ATTACK = ["attack", "digits:0", "--bundle", "digits-cnn"]
BAD = [
    ([], "required"),
    (["fly"], "invalid choice"),
    (["attack", "--n", "many"], "invalid int"),
    ([*ATTACK, "--then", "magic"], "magic"),
    ([*ATTACK, "--engine", "de", "--then", "exhaustive"], "only the engine fast"),
    ([*ATTACK, "--precision", "int4"], "int4"),
    ([*ATTACK, "--epsilon", "0"], "got 0"),
    ([*ATTACK, "--engine", "deepfool", "--target", "3"], "deepfool"),
    (["attack", "--bundle", "none"], "no bundle 'none'"),
    (["attack", "--bundle", "digits-cnn", "--engine", "magic"], "unknown engine"),
    (["attack", "--bundle", "digits-cnn", "--source", "samples"], "the data has classes"),
    (["attack", "--bundle", "digits-cnn", "--source", "digits", "--n", "0"], "at least 1"),
    (["attack", "--bundle", "digits-cnn", "--source", "digits", "--split", "x"], "unknown split"),
    (["attack", "--bundle", "digits-cnn", "--target", "cat"], "unknown class 'cat'"),
    (["attack", "--bundle", "digits-cnn", "digits:1", "--source", "digits"], "not both"),
    (["detect", "--bundle", "digits-cnn"], "at least one image"),
    (["detect", "--bundle", "digits-cnn", "nothing.png"], "no file"),
    (["detect", "--bundle", "digits-cnn", "samples:1"], "the model takes"),
    (["detect", "--bundle", "digits-cnn", __file__], "not a PNG"),
    (["detect", "--bundle", "digits-cnn", "digits:1", "--alpha", "7"], "between 0 and 1"),
    (["detect", "--bundle", "digits-cnn", "digits:1", "--detector", "x"], "unknown detector"),
    (["evaluate", "--bundle", "digits-cnn", "--data", "/nowhere"], "does not exist"),
    (["evaluate", "--bundle", "digits-cnn", "--data", "samples"], "the data has classes"),
    (["distributions", "--bundle", "digits-cnn", "--layer", "x"], "unknown layer"),
    (
        ["distributions", "--bundle", "digits-cnn", "--layer", "dense_1", "--reduction", "mean"],
        "fit",
    ),
    (["train", "magic"], "unknown model"),
    (["train", "nowhere.py:make"], "cannot import"),
    (["train", "cifar10-vgg16"], "--data"),
    (["train", "digits-cnn", "--epochs", "0"], "above 0"),
    (["train", "digits-cnn", "--device", "toaster"], "not available"),
    (["build", "digits-cnn", "--data", "samples"], "classes"),
    (["build", "x", "--model", "digits-cnn", "--data", "digits", "--weights", "/no"], "missing"),
    (["status", "--json", "/proc/none/x"], "cannot write"),
]


@pytest.mark.spec("UX-7")
@pytest.mark.parametrize(("arguments", "match"), BAD, ids=[" ".join(row[0]) for row in BAD])
@pytest.mark.usefixtures("digits_bundle")
def test_bad_input_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], match: str
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = [line for line in printed.err.splitlines() if line]
    assert len(lines) == 1
    assert match in lines[0]


def test_own_model_and_images(
    capsys: pytest.CaptureFixture[str],
    empty_cache: Path,
    tmp_path: Path,
    rng: np.random.Generator,
) -> None:
    model = tmp_path / "mine.py"
    model.write_text(
        "from torch import nn\n"
        "def make():\n"
        "    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(inplace=True),\n"
        "        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))\n"
        "    model.shape = (12, 12, 3)\n"
        "    return model\n"
    )
    for name, level in (("dark", 40), ("light", 200)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(60):
            pixels = rng.normal(level, 20, (12, 12, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i}.png")
    factory, data = f"{model}:make", str(tmp_path / "data")
    trained = run(capsys, "train", factory, "--data", data, "--epochs", "30")
    assert trained["test_accuracy"] > 0.9
    run(capsys, "build", "mine", "--model", factory, "--data", data, "--gallery", "0")
    found = run(capsys, "distributions", "--bundle", "mine", "--layer", "1")
    assert len(found["units"]) == 8
    image = str(tmp_path / "data" / "dark" / "3.png")
    verdict = run(capsys, "detect", image, "--bundle", "mine", "--alpha", "0.2")
    assert verdict["results"][0]["predicted"] == "dark"


def test_ids_that_look_alike_as_file_names_keep_their_own_files() -> None:
    ids = ["img 1.png", "img-1.png", "img-1/png", "IMG 1.png", "img-1-png-2"]
    taken: set[str] = set()
    names = [_file_name(image_id, taken) for image_id in ids]
    assert names[:2] == ["img-1-png", "img-1-png-2"]
    assert len({name.lower() for name in names}) == len(ids)


@pytest.mark.parametrize(
    ("study", "other", "given"),
    [
        ("detectors", "hypothesis", ["--measure", "w1-top"]),
        ("detectors", "hypothesis", ["--layers", "all"]),
        ("detectors", "hypothesis", ["--attack", "one-pixel"]),
        ("detectors", "hypothesis", ["--over", "mean"]),
        ("detectors", "hypothesis", ["--freeze"]),
        ("hypothesis", "detectors", ["--data", "digits"]),
        ("hypothesis", "detectors", ["--attacks", "one-pixel"]),
        ("hypothesis", "detectors", ["--n", "3"]),
        ("hypothesis", "detectors", ["--seed", "0"]),
        ("hypothesis", "detectors", ["--no-repair"]),
        ("hypothesis", "detectors", ["--ship"]),
    ],
)
def test_an_option_of_the_other_study_is_refused(
    study: str, other: str, given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", study, *given]) == 2
    told = capsys.readouterr().err.strip()
    assert told == f"ndcore: {given[0]} is an option of `study {other}`, not of `study {study}`"
