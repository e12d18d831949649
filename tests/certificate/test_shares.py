from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ndcore.certificate import Certificate, Hole, certified_shares
from ndcore.certificate.kept import FILL, KeptCertificates
from ndcore.certificate.recovery import Recovery
from ndcore.certificate.shares import two_pixel_shares
from ndcore.certificate.two_pixels import PairCertificate
from ndcore.errors import BadRequestError
from ndcore.statistics.intervals import wilson

PROVEN, OPEN = Certificate(0, 2.0), Certificate(0, -1.0, (Hole(1, 2, 1), Hole(3, 4, 2)))
HOLE = ((0, 0), (4, 8))
TIED = Certificate(None, 0.0)


def test_each_share_counts_its_own_images() -> None:
    found = [PROVEN, PROVEN, OPEN, OPEN, TIED, PROVEN]
    labels = [0, 1, 0, 1, 0, -1]  # right, wrong, right, wrong, none, unknown
    after = {0: True, 2: False}
    told = certified_shares(found, labels, after)
    assert (told["n"], told["certified"], told["alarms"]) == (6, 3, 3)
    assert (told["undefined"], told["holes"]) == (1, 4)
    assert told["certified_share"] == 0.5
    assert told["certified_ci95"] == list(wilson(3, 6))
    assert told["accuracy"] == 2 / 5
    assert (told["certified_accuracy"], told["certified_accuracy_n"]) == (1 / 5, 5)
    assert told["correct"]["certified"] == {"rate": 0.5, "ci95": list(wilson(1, 2)), "n": 2}
    assert told["correct"]["alarms"]["rate"] == 0.5
    assert told["wrong"]["alarms"] == {"rate": 2 / 3, "ci95": list(wilson(2, 3)), "n": 3}
    assert told["breakable"]["certified"] == {"rate": 0.5, "ci95": list(wilson(1, 2)), "n": 2}
    # The flip that goes unnoticed is on an image that was never certified.
    assert told["attacks"] == {"n": 2, "caught": 1, "on_certified": 1, "violations": 0}
    broken = certified_shares(found, labels, {0: False})
    assert broken["attacks"] == {"n": 1, "caught": 0, "on_certified": 1, "violations": 1}


def test_of_nothing_a_share_is_undefined() -> None:
    told = certified_shares([PROVEN], [-1])
    assert told["certified_accuracy"] is None
    assert told["accuracy"] is None
    assert told["correct"]["certified"]["rate"] is None
    assert told["breakable"]["certified"]["n"] == 0


@pytest.mark.spec("CE-6")
def test_shares_for_two_pixels_and_of_recovered_labels() -> None:
    proven, open_ = (PairCertificate(hole is None, 4, 10, 7, hole) for hole in (None, HOLE))
    found = [proven, open_, proven, open_]
    back = [Recovery(label, True, 5) for label in (0, 1, 0, None)]
    after = {0: Recovery(0, False, 9), 1: Recovery(1, False, 9)}
    told = two_pixel_shares(found, [0, 0, 1, None], [0, 0, 0, -1], back, after)
    assert (told["block"], told["n"], told["certified"], told["pairs_asked"]) == (4, 4, 2, 28)
    half = {"rate": 0.5, "ci95": list(wilson(1, 2)), "n": 2}
    assert told["correct"] == {"certified": half, "alarms": half}
    assert told["wrong"]["alarms"] == {"rate": 0.0, "ci95": list(wilson(0, 1)), "n": 1}
    assert told["accuracy"]["rate"] == told["recovered_accuracy"]["rate"] == 2 / 3
    assert told["attacks"] == half | {"on_certified": 1, "violations": 0}
    broken = two_pixel_shares(found, [0, 0, 1, None], [0, 0, 0, -1], back, {0: after[1]})
    assert broken["attacks"]["violations"] == 1
    assert two_pixel_shares([], [], [], [], {})["attacks"]["rate"] is None


def test_certificates_are_taken_over_from_a_file(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "there" / "kept.jsonl"
    images = rng.integers(0, 256, (3, 5, 4, 3)).astype(np.uint8)
    silent = Certificate(2, float("nan"), (Hole(0, 1, None),))
    kept = KeptCertificates(path, "weights")
    assert kept.get(images[0]) is None
    kept.add(images[0], OPEN)
    with open(path, "a") as file:
        file.write('["torn')  # a killed process
    again = KeptCertificates(path, "weights")
    again.add(images[1], silent)
    last = KeptCertificates(path, "weights")
    assert last.get(images[0]) == OPEN
    told = last.get(images[1])
    assert told is not None
    assert (told.predicted, told.holes) == (silent.predicted, silent.holes)
    assert np.isnan(told.margin)
    assert last.get(images[2]) is None
    assert last.get(images[0].reshape(4, 5, 3)) is None  # the same bytes, another image
    assert KeptCertificates(path, "other weights").get(images[0]) is None
    two = PairCertificate(False, 4, 10, 7, HOLE)
    last.add_two(images[0], two)
    again = KeptCertificates(path, "weights")
    assert again.get_two(images[0], 4) == two
    assert again.get_two(images[0], 2) is None
    assert again.get(images[0]) == OPEN
    path.write_text(path.read_text().replace(FILL, "another fill"))
    assert KeptCertificates(path, "weights").get_two(images[0], 4) is None
    memory = KeptCertificates(None, "weights")
    memory.add(images[0], OPEN)
    assert memory.get(images[0]) == OPEN
    with pytest.raises(BadRequestError, match="cannot write"):
        KeptCertificates(Path("/proc/none/x"), "w").add(images[0], OPEN)
    with pytest.raises(BadRequestError, match="no file of certificates"):
        KeptCertificates(tmp_path, "w")
