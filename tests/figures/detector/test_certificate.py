"""What is proven of how many images, in words."""

from __future__ import annotations

import pytest

from ndcore.certificate import Certificate, Hole, certified_shares
from ndcore.figures.detector.certificate import proven_words


@pytest.mark.spec("CE-5")
def test_every_share_has_its_interval_and_its_n() -> None:
    proven, open_ = Certificate(0, 2.0), Certificate(0, -1.0, (Hole(1, 2, 1),))
    found = certified_shares([proven, proven, proven, open_, open_], [0, 0, 0, 0, 1], {0: True})
    broken = certified_shares([proven, open_], [0, 0], {0: True, 1: False})
    told = proven_words(found, broken)
    assert "on **75.0% (30.1-95.4%)** of 4 images that the network gets right" in told
    assert "on **50.0% (9.5-90.5%)** of 2 that one pixel is known to flip" in told
    assert "False alarms: 25.0% (4.6-69.9%) on images it gets right, 100.0% (20.7-100.0%)" in told
    assert "Right and proven: **60.0% (23.1-88.2%)** of 5, at 80.0% right." in told
    alone = certified_shares([proven], [0])
    assert "known to flip" not in proven_words(alone, alone)
    wrong = certified_shares([proven], [1])
    assert proven_words(wrong, wrong) == ""
