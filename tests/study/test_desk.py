"""The hypothesis desk: known answers, one look, and the list that nobody can quietly shorten."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ndcore.bundles.bundle import Bundle
from ndcore.cli import main
from ndcore.data.catalog import open_source
from ndcore.detectors.scoring.aggregate import Tail
from ndcore.errors import BadRequestError, BundleError
from ndcore.study import study_dir
from ndcore.study.config import StudyConfig
from ndcore.study.desk import DESK, Desk, DeskSet, desk_file, load_desk
from ndcore.study.hypotheses.frozen_list import Frozen
from ndcore.study.hypotheses.hypothesis import dev_figures, evaluation_figures, hypothesis
from ndcore.study.run import run_study

LAYERS = ("early", "middle", "late")
CLASSES = ("a", "b")
SIZES = {
    "dev": 200,
    "calibration": 400,
    "evaluation": 300,
    "one-pixel": 120,
    "dev-one-pixel": 100,
}


def planted(rng: np.random.Generator, calibration: int = 400) -> Desk:
    """Measure `good` tells attacks at layer `early` alone, by 2 spreads; all else is noise."""
    sets = {}
    for name, n in (SIZES | {"calibration": calibration}).items():
        scores = rng.normal(size=(n, 5))
        if "pixel" in name:
            scores[:, 0] += 2
        labels = np.arange(n) % 2
        wrong = np.arange(n) % 10 == 0
        sets[name] = DeskSet(
            keys=tuple(f"{name.removeprefix('dev-')}{i}" for i in range(n)),
            labels=labels,
            predicted=np.where(wrong, 1 - labels, labels),
            confidence=rng.random(n).astype(np.float32),
            scores=scores.astype(np.float16),
            attacked=300 if "pixel" in name else 0,
        )
    return Desk("weights", CLASSES, {"good": LAYERS, "spatial": LAYERS[:2]}, sets)


@pytest.mark.spec("DD-8")
def test_a_planted_layer_wins_on_dev_and_on_evaluation(rng: np.random.Generator) -> None:
    desk = planted(rng)
    wanted = 0.921  # of two normals 2 spreads apart
    good = hypothesis(desk, ["good"], ["early"], "one-pixel")
    dev, held = dev_figures(desk, good), evaluation_figures(desk, good)
    for found, n in ((dev, 200), (held, 300)):
        assert found["auroc"] == pytest.approx(wanted, abs=0.04)
        assert found["ci95"][0] < found["auroc"] < found["ci95"][1]
        assert found["benign"] == n
        assert found["against"]["benign-misclassified"]["n"] == n // 10
    assert held["false_alarms"]["0.05"]["rate"] == pytest.approx(0.05, abs=0.04)
    assert held["tpr_at_fpr"]["0.05"] > 0.4
    assert "tpr_at_fpr" not in dev
    assert held["too_few"] == {"0.01": [], "0.05": [], "0.1": []}

    chance = hypothesis(desk, ["spatial"], None, "one-pixel")
    for figures in (dev_figures, evaluation_figures):
        assert figures(desk, chance)["auroc"] == pytest.approx(0.5, abs=0.09)
    # Noise dilutes the mean; the most alarming part is diluted in another way.
    every = hypothesis(desk, ["good"], None, "one-pixel")
    assert 0.6 < dev_figures(desk, every)["auroc"] < dev["auroc"]
    most = hypothesis(desk, ["good"], None, "one-pixel", "largest")
    assert dev_figures(desk, most)["auroc"] != dev_figures(desk, every)["auroc"]


def test_too_few_calibration_images_are_said(rng: np.random.Generator) -> None:
    desk = planted(rng, calibration=60)  # 30 a class: enough for 5%, not for 1%
    found = evaluation_figures(desk, hypothesis(desk, ["good"], None, "one-pixel"))
    assert found["too_few"] == {"0.01": ["a", "b"], "0.05": [], "0.1": []}
    assert found["tpr_at_fpr"]["0.01"] == 0
    assert found["false_alarms"]["0.01"]["band"] == [0.0, 0.0]


def test_one_hypothesis_has_one_form(rng: np.random.Generator) -> None:
    desk = planted(rng)
    one = hypothesis(desk, ["spatial", "good"], ["late", "early"], "one-pixel")
    assert one == hypothesis(desk, ["good", "spatial", "good"], ["early", "late"], "one-pixel")
    # A layer without the measure changes nothing, and one part needs no joining.
    alone = hypothesis(desk, ["spatial"], ["early"], "one-pixel")
    assert alone == hypothesis(desk, ["spatial"], ["early", "late"], "one-pixel", "largest")
    for bad, message in (
        (([], None, "one-pixel"), "at least one measure"),
        ((["good"], [], "one-pixel"), "at least one layer"),
        ((["magic"], None, "one-pixel"), "unknown measure 'magic'"),
        ((["good"], ["attic"], "one-pixel"), "unknown layer 'attic'"),
        ((["good"], None, "fgsm"), "unknown attack 'fgsm': choose one-pixel"),
        ((["good"], None, "one-pixel", "median"), "unknown way to join"),
        ((["spatial"], ["late"], "one-pixel"), "not defined on the chosen layers"),
    ):
        with pytest.raises(BadRequestError, match=message):
            hypothesis(desk, *bad)


@pytest.mark.spec("DD-8")
def test_the_second_freeze_gives_the_first_answer(rng: np.random.Generator, tmp_path: Path) -> None:
    desk = planted(rng)
    frozen = Frozen(tmp_path / "deep" / "frozen.jsonl", "weights")
    good = hypothesis(desk, ["good"], ["early"], "one-pixel")
    assert frozen.find(desk, good) is None
    first, fresh = frozen.freeze(desk, good)
    assert fresh
    assert first["look"] == 1
    again, fresh = frozen.freeze(desk, hypothesis(desk, ["good", "good"], ["early"], "one-pixel"))
    assert not fresh
    assert again == first
    second, _ = frozen.freeze(desk, hypothesis(desk, ["spatial"], None, "one-pixel"))
    assert [record["look"] for record in frozen.records()] == [1, 2]
    assert second["evaluation"]["auroc"] < first["evaluation"]["auroc"]
    # Other weights have a list of their own; other images are another question, and another look.
    assert Frozen(frozen.path, "others").records() == []
    other, fresh = frozen.freeze(planted(rng, calibration=60), good)
    assert fresh
    assert other["look"] == 3


def test_a_damaged_line_costs_only_itself(rng: np.random.Generator, tmp_path: Path) -> None:
    desk = planted(rng)
    frozen = Frozen(tmp_path / "frozen.jsonl", "weights")
    frozen.freeze(desk, hypothesis(desk, ["good"], None, "one-pixel"))
    with frozen.path.open("a") as file:
        file.write('{"desk": "cut o')
    frozen.freeze(desk, hypothesis(desk, ["spatial"], None, "one-pixel"))
    assert [record["hypothesis"]["measures"] for record in frozen.records()] == [
        ["good"],
        ["spatial"],
    ]
    assert frozen.kept


def test_an_unwritable_list_lives_in_the_session(rng: np.random.Generator, tmp_path: Path) -> None:
    desk, kept = planted(rng), []
    (tmp_path / "file").write_text("no folder")
    frozen = Frozen(tmp_path / "file" / "frozen.jsonl", "weights", kept)
    good = hypothesis(desk, ["good"], None, "one-pixel")
    first, fresh = frozen.freeze(desk, good)
    assert (fresh, frozen.kept, len(kept)) == (True, False, 1)
    assert frozen.freeze(desk, good) == (first, False)


@pytest.fixture(scope="module")
def studied(digits_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small study of the digits bundle."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ND_CACHE", str(digits_cache))
        from ndcore.bundles.bundle import load_bundle

        folder = tmp_path_factory.mktemp("desk")
        config = StudyConfig(attacks=("one-pixel",), n=40, per_class=20, repairs=False)
        run_study(load_bundle("digits-cnn"), open_source("digits"), config, folder)
    return folder


def test_a_study_leaves_a_desk(digits_bundle: Bundle, studied: Path) -> None:
    desk = load_desk(studied / DESK, digits_bundle.weight_hash)
    assert desk.attacks == ["one-pixel"]
    assert desk.classes == digits_bundle.classes
    assert desk.layers == digits_bundle.layers
    splits = {name: set(keys) for name, keys in digits_bundle.splits.items()}
    for name, each in desk.sets.items():
        split = {"one-pixel": "evaluation", "dev-one-pixel": "dev"}.get(name, name)
        assert set(each.keys) <= splits[split]
        assert each.scores.dtype == np.float16
        assert np.isfinite(each.scores).all()
        assert each.scores.shape == (len(each), len(desk.parts))
    attacked = desk.sets["dev-one-pixel"]
    assert (attacked.predicted != attacked.labels).all()
    assert attacked.attacked > len(attacked) > 0
    assert not (studied / "dev-one-pixel-repairs-000000.npz").exists()
    # Half precision and ranking among few dev images turn no pair of images round, they only tie
    # some; a tie counts one half. So the desk's AUROC of one layer is the study's but for ties.
    document = json.loads((studied / "study.json").read_text())
    found = document["layers"]["w1-top"]
    for layer, wanted in zip(found["layers"], found["attacks"]["one-pixel"]["all"], strict=True):
        at = desk.parts.index(("w1-top", layer))
        tail = Tail(desk.sets["dev"].scores[:, at])
        benign, attacked = (
            tail(desk.sets[name].scores[:, at]) for name in ("evaluation", "one-pixel")
        )
        ties = float(np.mean(benign[:, None] == attacked))
        assert ties < 0.05, layer
        area = evaluation_figures(desk, hypothesis(desk, ["w1-top"], [layer], "one-pixel"))["auroc"]
        assert area == pytest.approx(wanted, abs=ties / 2 + 1e-6), layer
    with pytest.raises(BundleError, match="other weights"):
        load_desk(studied / DESK, "another")
    assert desk_file(digits_bundle) is None


def test_on_the_command_line(
    digits_bundle: Bundle, studied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ["study", "hypothesis", "--bundle", "digits-cnn"]
    assert main(ask) == 2
    assert "has no study to choose from" in capsys.readouterr().err
    ask += ["--out", str(studied)]
    assert main(ask) == 2
    assert "choose at least one measure: w1-mean" in capsys.readouterr().err
    ask += ["--measure", "w1-top", "--measure", "tail-hc", "--attack", "one-pixel"]
    assert main([*ask, "--json", "-"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["looks"] == 0
    assert "evaluation" not in document
    assert main([*ask, "--freeze", "--json", "-"]) == 0
    frozen = json.loads(capsys.readouterr().out)
    assert frozen["dev"] == document["dev"]
    assert (frozen["new"], frozen["look"], frozen["looks"]) == (True, 1, 1)
    assert main([*ask, "--freeze"]) == 0
    told = capsys.readouterr().out
    assert "frozen before" in told
    assert "look 1 of 1" in told
    assert main([*ask, "--layers", "nowhere"]) == 2
    assert "unknown layer 'nowhere'" in capsys.readouterr().err
    (study_dir("digits-cnn") / "frozen.jsonl").unlink()
