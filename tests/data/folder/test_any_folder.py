"""Every kind of folder is right at every step, or refused in one sentence; right = our own sums."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ndcore.bundles.bundle import load_bundle
from ndcore.cli import main
from ndcore.data.splits import SPLITS
from pages.ui.detector.choices import study_command
from tests.data.folder import kinds

KINDS = Path(kinds.__file__).resolve()


def own_logits(outputs: int, pixels: np.ndarray) -> np.ndarray:
    """What plain torch makes of pixels (N, H, W, 3), with weights as float16 holds them."""
    model = kinds.net(outputs).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(weight.half().float())
        images = torch.from_numpy(pixels.astype(np.float32) / 255).permute(0, 3, 1, 2)
        logits: np.ndarray = model(images.contiguous()).numpy()
    return logits


def run(*command: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any], str]:
    """Status, document and the one sentence of a refusal."""
    status = main([*command, "--json", "-"])
    told = capsys.readouterr()
    said = [line for line in told.err.splitlines() if line.startswith("ndcore: ")]
    assert len(said) == (status == 2), told.err
    return status, json.loads(told.out or "{}"), "".join(said)


def asked(kind: kinds.Kind, root: Path) -> list[str]:
    """What is asked of `check` and `build` besides the model."""
    more = list(kind.options)
    if kind.classes != kinds.CLASSES:
        (root.parent / "classes.txt").write_text("\n".join(kind.classes), encoding="utf-8")
        more += ["--classes", str(root.parent / "classes.txt")]
    return ["--data", str(root), *more]


@pytest.mark.spec("OM-2")
@pytest.mark.parametrize("name", kinds.FINE)
def test_it_is_right_at_every_step(
    name: str, tmp_path: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, root = kinds.FINE[name], tmp_path / "images"
    images = {
        image_id: (label, pixels if kind.shape is None else kind.shape(pixels))
        for image_id, (label, pixels) in kind.write(root).items()
    }
    ids = list(images)
    labels = np.array([kind.classes.index(label) for label, _ in images.values()])
    pixels = np.stack([pixels for _, pixels in images.values()])
    logits = own_logits(len(kind.classes), pixels)
    predicted = logits.argmax(1)
    model = f"{KINDS}:net_{len(kind.classes)}"

    status, found, told = run("check", model, *asked(kind, root), capsys=capsys)
    assert (status, told) == (0, "")
    said = [f"{row['what']}: {row['remedy']}" for row in found["findings"]]
    for sentence in kind.said:
        assert any(sentence in each for each in said), said
    status, found, told = run(
        "build", "mine", "--model", model, *asked(kind, root), "--gallery", "0", capsys=capsys
    )
    assert (status, told) == (0, "")
    said = [f"{row['what']}: {row['remedy']}" for row in found["findings"]]
    for sentence in kind.said:
        assert any(sentence in each for each in said), said

    # Every image is in one split, every class in all of them, and what is learnt is apart.
    bundle = load_bundle("mine")
    assert bundle.classes == kind.classes
    keys = [key for split in SPLITS for key in bundle.splits[split]]
    assert len(set(keys)) == len(keys)
    learnt = [i for i in ids if not i.startswith(("test/", "val/", "dev/")) or "--parts" in
              kind.options or name == "class-named-train"]  # fmt: skip
    assert len(keys) == len(learnt)
    by_key = {key: i for i in ids for key in (i, i.rpartition(".")[0])}
    for split in SPLITS:
        held = {images[by_key[key]][0] for key in bundle.splits[split]}
        assert held == {label for label, _ in images.values()}

    status, found, _ = run("evaluate", "--bundle", "mine", "--split", "all", capsys=capsys)
    assert status == 0
    assert found["n"] == len(ids)
    assert found["accuracy"] == pytest.approx((predicted == labels).mean())
    for label, row in found["per_class"].items():
        mine = labels == kind.classes.index(label)
        assert row["n"] == mine.sum()
        assert row["accuracy"] == pytest.approx((predicted == labels)[mine].mean())

    some = [ids[0], ids[len(ids) // 2], ids[-1]]
    at = [ids.index(image_id) for image_id in some]
    limit = ["--max-queries", "40"]
    limit += ["--data", str(root)]  # which need not be said
    status, found, _ = run("attack", *some, "--bundle", "mine", *limit, capsys=capsys)
    assert status == 0
    for place, row in zip(at, found["results"], strict=True):
        assert row["true"] == kind.classes[labels[place]]
        assert row["predicted_before"] == kind.classes[predicted[place]]
        if row["pixels"]:
            changed = pixels[place].copy()
            for pixel in row["pixels"]:
                assert tuple(changed[pixel["row"], pixel["col"]]) == tuple(pixel["rgb_before"])
                changed[pixel["row"], pixel["col"]] = pixel["rgb_after"]
            after = own_logits(len(kind.classes), changed[None])[0].argmax()
            assert row["success"] == (after != labels[place])

    # By id, and the very pixels once more as a file that lies anywhere.
    Image.fromarray(pixels[at[0]]).save(tmp_path / "one.png")
    command = ["detect", *some, str(tmp_path / "one.png"), "--bundle", "mine", "--no-certificate"]
    status, found, _ = run(*command, capsys=capsys)
    assert status == 0
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    for place, row in zip([*at, at[0]], found["results"], strict=True):
        assert row["predicted"] == kind.classes[predicted[place]]
        assert row["confidence"] == pytest.approx(shares[place].max(), abs=1e-4)
        assert 0 < row["p_value"] <= 1


@pytest.mark.spec("OM-2")
@pytest.mark.parametrize("name", kinds.REFUSED)
def test_it_is_refused_in_one_sentence(
    name: str, tmp_path: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, root = kinds.REFUSED[name], tmp_path / "images"
    images = kind.write(root)
    outputs = len(kind.classes)
    model = f"{KINDS}:net_{outputs}"
    kinds.plain(tmp_path / "good")
    good = ["build", "good", "--model", f"{KINDS}:net_3", "--data", str(tmp_path / "good")]
    assert run(*good, "--gallery", "0", capsys=capsys)[0] == 0
    status, found, told = run("check", model, *asked(kind, root), capsys=capsys)
    assert (status, told) == (1, "")
    stops = [f"{row['what']}: {row['remedy']}" for row in found["findings"] if row["stops"]]
    assert any(re.search(kind.refused, each) for each in stops), stops
    for command in (["build", "mine", "--model"], ["train", "--epochs", "1"]):
        status, _, told = run(*command, model, *asked(kind, root), capsys=capsys)
        assert status == 2
        assert re.search(kind.refused, told), told

    # A bundle of other images says as clearly what it cannot take, and is right about the rest.
    for command in (["evaluate", "--split", "all"], ["attack", "--max-queries", "5", "--n", "2"]):
        whole = [*command, "--bundle", "good", "--data", str(root)]
        status, found, _ = run(*whole, capsys=capsys)
        assert status in (0, 2)
        if status == 0 and "n" in found and images:
            assert found["n"] >= len(images)


def test_a_number_alone_draws_from_the_folder_of_the_bundle(
    tmp_path: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "images"
    ids = [*kinds.plain(root)]
    build = ["build", "mine", "--model", f"{KINDS}:net_3", "--data", str(root), "--gallery", "0"]
    assert run(*build, capsys=capsys)[0] == 0
    for command, more in (("attack", ["--max-queries", "9"]), ("detect", ["--no-certificate"])):
        named = [command, "--bundle", "mine", "--n", "2", *more]
        status, found, told = run(*named, capsys=capsys)
        assert (status, told) == (0, "")
        drawn = [row.get("file", row.get("id")) for row in found["results"]]
        assert len(drawn) == 2
        assert {*drawn} <= {*ids} | {image_id.rpartition(".")[0] for image_id in ids}
    status, _, told = run("detect", "--bundle", "mine", capsys=capsys)
    assert (status, "name at least one image" in told) == (2, True)

    bundle = load_bundle("mine")
    assert study_command(bundle) == "`python -m ndcore study detectors --bundle mine`"
    root.rename(tmp_path / "away")
    assert "`python -m ndcore study detectors --bundle mine --data FOLDER`" in study_command(bundle)
