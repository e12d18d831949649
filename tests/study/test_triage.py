"""Triage: ranking, outcomes and counts by hand; images judged now and from a saved study."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from ndcore.bundles.bundle import Bundle
from ndcore.data.batch import UNKNOWN
from ndcore.data.catalog import open_source
from ndcore.data.decode import encode_png
from ndcore.detectors.by_repair import RepairDetector
from ndcore.detectors.layerwise import load_detector
from ndcore.errors import BadRequestError, StoppedError
from ndcore.study.calibrated import Detectors
from ndcore.study.incoming import Images, draw, unpack
from ndcore.study.saved import SavedStudy
from ndcore.study.triage import Judged, judge_images, judge_study

BENIGN, ATTACKED = 0, 1


def table() -> Judged:
    """Six images: a catch, a miss, a false alarm, one let pass, one unknown, one undecided."""
    return Judged(
        ids=("caught", "missed", "alarm", "fine", "unknown", "few"),
        sets=("one-pixel", "one-pixel", "benign", "benign", "upload", "benign"),
        attacked=np.array([1, 1, 0, 0, UNKNOWN, 0], np.int8),
        labels=np.array([0, 0, 1, 1, UNKNOWN, 0]),
        predicted=np.array([1, 1, 0, 1, 0, 1]),
        confidence=np.linspace(0.5, 1, 6),
        scores=np.array([9.0, 1.0, 9.5, 0.0, 5.0, 9.9]),
        p=np.array([0.01, 0.5, 0.01, 0.9, 0.04, 0.1]),
        calibration=np.array([99, 99, 99, 99, 99, 9]),
    )


@pytest.mark.spec("DD-9")
def test_ranked_counted_and_named() -> None:
    judged = table()
    order = [judged.ids[i] for i in judged.order]
    assert order == ["alarm", "caught", "unknown", "few", "missed", "fine"]
    assert judged.outcomes(0.05) == [
        "caught",
        "missed",
        "false alarm",
        "let pass",
        "flagged",
        "undecided",
    ]
    assert judged.counts(0.05) == {
        "images": 6,
        "flagged": 3,
        "undecided": 1,
        "benign": 3,
        "false_alarms": 1,
        "attacked": 2,
        "missed": 1,
        "wrong": 2,
        "wrong_flagged": 1,
    }
    assert judged.false_positives(0.05).tolist() == [2]
    assert judged.false_negatives(0.05).tolist() == [1]
    assert judged.false_negatives(0.5).tolist() == []
    rows = judged.rows(("cat", "dog"), 0.05)
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[0]["image"] == "alarm"
    assert rows[2]["true"] == ""
    assert len(Judged.joined([judged, judged])) == 12


def test_a_saved_study_is_ranked_by_its_own_p_values() -> None:
    rng = np.random.default_rng(0)
    sizes = {"calibration": 198, "evaluation": 50, "one-pixel": 10}
    about = {
        name: {
            "keys": np.array([f"{name}{i}" for i in range(n)]),
            "labels": np.zeros(n, np.int64),
            "predicted": np.arange(n) % 2,
            "confidence": np.ones(n, np.float32),
        }
        for name, n in sizes.items()
    }
    scores = {name: rng.random((n, 2)).astype(np.float32) for name, n in sizes.items()}
    scores["one-pixel"][:, 1] = 2
    study = SavedStudy({}, scores, about, ("noise", "sharp"))
    judged = judge_study(study, "sharp", ["one-pixel"])
    assert len(judged) == 60
    assert (judged.calibration == 99).all()
    assert (judged.p[judged.attacked == ATTACKED] == 0.01).all()
    assert set(judged.order[:10].tolist()) == set(range(50, 60))
    assert judged.counts(0.01)["missed"] == 0
    alone = judge_study(study, "noise", [])
    assert set(alone.sets) == {"benign"}
    for bad in (("magic", []), ("sharp", ["fgsm"])):
        with pytest.raises(BadRequestError):
            judge_study(study, *bad)


def test_images_are_judged_in_parts_and_a_stop_keeps_them(digits_bundle: Bundle) -> None:
    images = draw(digits_bundle, open_source("digits"), 100, seed=1)
    evaluation = set(digits_bundle.splits["evaluation"])
    assert set(images.ids) <= evaluation
    seen: list[int] = []
    detector = load_detector(digits_bundle, "wasserstein")
    judged = judge_images(detector, images, on_part=lambda part: seen.append(len(part)))
    assert seen == [64, 36]
    wanted = detector.detect(images.pixels)
    assert judged.p.tolist() == [verdict.p_value for verdict in wanted]
    assert judged.predicted.tolist() == [verdict.predicted for verdict in wanted]
    assert judged.calibration.tolist() == [verdict.calibration_images for verdict in wanted]
    part = judge_images(
        detector,
        images,
        should_stop=lambda: len(seen) > 2,
        on_part=lambda part: seen.append(len(part)),
    )
    assert len(part) == 64
    for slow in (detector, RepairDetector(digits_bundle).with_calibration(detector.calibration)):
        for questions in (1, 10):  # in the middle of an image, too
            asked = iter([False] * (questions - 1) + [True] * 9)
            with pytest.raises(StoppedError):
                judge_images(slow, images, should_stop=lambda asked=asked: next(asked))
    with pytest.raises(BadRequestError, match="no image"):
        judge_images(detector, images.take(slice(0, 0)))
    with pytest.raises(BadRequestError, match="between 1 and 1000"):
        draw(digits_bundle, open_source("digits"), 0)


def test_the_repair_uses_the_calibration_of_the_study(digits_bundle: Bundle) -> None:
    images = draw(digits_bundle, open_source("digits"), 3)
    name, n = "repair-turn", 19
    classes = len(digits_bundle.classes)
    study = SavedStudy(
        {},
        {"calibration": np.full((n * classes, 1), -1e3, np.float32)},
        {"calibration": {"predicted": np.arange(n * classes) % classes}},
        (name,),
    )
    here = Detectors(digits_bundle, lambda: study)
    assert list(here.entries) == [name, "wasserstein", "surprisal"]
    judged = judge_images(here.open(), images)
    assert judged.p.tolist() == [1 / (n + 1)] * 3
    assert judged.calibration.tolist() == [n] * 3
    reading = digits_bundle.read(images.pixels)
    assert judged.predicted.tolist() == reading.predicted.tolist()
    assert judged.confidence == pytest.approx(reading.probabilities.max(1), abs=1e-4)


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_uploads_are_unpacked_and_what_is_left_out_is_said(digits_bundle: Bundle) -> None:
    pixels = open_source("digits").pixels([0])[0]
    png = encode_png(pixels)
    label = digits_bundle.classes[3]
    archive = packed(
        {
            f"{label}/one.png": png,
            "two-attacked.png": png,
            "three-benign.png": png,
            "notes.txt": b"no image",
            "__MACOSX/four.png": png,
            "broken.png": png[:40],
        }
    )
    images, problems = unpack(
        [("five.png", png), ("pack.zip", archive), ("six.png", b"")], digits_bundle
    )
    assert images is not None
    assert images.ids == ("five.png", f"{label}/one.png", "two-attacked.png", "three-benign.png")
    assert images.attacked.tolist() == [UNKNOWN, UNKNOWN, ATTACKED, BENIGN]
    assert images.sets == ("upload", "upload", "attacked", "benign")
    assert images.labels.tolist() == [UNKNOWN, 3, UNKNOWN, UNKNOWN]
    assert (images.pixels == pixels).all()
    assert len(problems) == 2
    assert any("broken.png" in text for text in problems)
    assert any("six.png is empty" in text for text in problems)
    damaged = archive.replace(b"PK\x01\x02", b"PKxx")
    nothing, problems = unpack([("bad.zip", damaged)], digits_bundle)
    assert nothing is None
    assert "bad.zip is damaged" in problems[0]
    both = images.plus(replace(images, ids=("a", "b", "c", "d")))
    assert len(both) == 8
    assert isinstance(both, Images)
