"""What is proven of how many images, in words."""

from __future__ import annotations

import pytest

from ndcore.certificate import Certificate, Hole, certified_shares
from ndcore.certificate.recovery import Recovery
from ndcore.certificate.shares import two_pixel_shares
from ndcore.certificate.two_pixels import PairCertificate
from ndcore.figures.detector.certificate import proven_two_words, proven_words, two_pixels_words


@pytest.mark.spec("CE-5")
def test_every_share_has_its_interval_and_its_n() -> None:
    proven, open_ = Certificate(0, 2.0), Certificate(0, -1.0, (Hole(1, 2, 1),))
    found = certified_shares([proven, proven, proven, open_, open_], [0, 0, 0, 0, 1], {0: True})
    broken = certified_shares([proven, open_], [0, 0], {0: True, 1: False})
    told = proven_words(found, broken)
    assert "for **75.0% (30.1-95.4%)** of 4 images that the network gets right" in told
    assert "for **50.0% (9.5-90.5%)** of 2 that one pixel is known to flip" in told
    assert "False alarms: 25.0% (4.6-69.9%) on images it gets right, 100.0% (20.7-100.0%)" in told
    assert "Of all 5, **60.0% (23.1-88.2%)** are both right and proven, 80.0% right." in told
    alone = certified_shares([proven], [0])
    assert "known to flip" not in proven_words(alone, alone)
    wrong = certified_shares([proven], [1])
    assert proven_words(wrong, wrong) == ""


@pytest.mark.spec("CE-6")
def test_two_pixels_in_words() -> None:
    classes = ("cat", "dog")

    def told(found: PairCertificate, label: int | None) -> str:
        recovered = {"recovered": Recovery(label, True, 64).to_dict(classes)}
        return two_pixels_words(found.to_dict() | recovered, "cat")

    proven = told(PairCertificate(True, 4, 2080, 2080, None), 0)
    assert proven.startswith("Proven for two pixels: ")
    assert "stays cat" in proven
    assert "gives cat back" in proven
    open_ = told(PairCertificate(False, 4, 2080, 96, ((0, 4), (8, 8))), 1)
    assert open_.startswith("Not proven for two pixels: ")
    assert "from row 0, column 4 and row 8, column 8 on" in open_
    assert "(pair 96 of 2,080)" in open_
    assert "gives dog. If one pixel of it was changed and the image before was proven" in open_
    alone = told(PairCertificate(False, 4, 2080, 32, ((0, 4), (0, 4))), None)
    assert "blocks from row 0, column 4 on" in alone
    assert "gives" not in alone
    assert "no clear label" in told(PairCertificate(False, 4, 2080, 0, None), None)


@pytest.mark.spec("CE-6")
def test_shares_for_two_pixels_in_words() -> None:
    found = [PairCertificate(hole is None, 4, 10, 7, hole) for hole in (None, ((0, 0), (4, 4)))]
    recovered = [Recovery(0, True, 5)] * 2
    told = proven_two_words(two_pixel_shares(found, [0, 0], [0, 0], recovered, {}))
    assert "by pairs of 4 x 4 blocks" in told
    assert "for **50.0% (9.5-90.5%)** of 2 that it gets right" in told
    assert proven_two_words(two_pixel_shares(found, [0, 0], [1, 1], recovered, {})) == ""
