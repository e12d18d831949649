from __future__ import annotations

from benchmarks.certificate import SIDES, WIDE, run
from ndcore.bundles.bundle import Bundle


def test_the_cost_is_told_beside_its_limit_and_per_pixel(digits_bundle: Bundle) -> None:
    found = run(digits_bundle, 1)
    one, bare, share, *sides = found["rows"]
    assert one["what"] == "certificate of one 8x8 image"
    assert one["ratio"] == one["value"] / 1.2
    assert share["ratio"] == one["value"] / bare["value"]
    assert len(sides) == len(SIDES)
    assert sides[SIDES.index(WIDE)]["ratio"] == 1
    assert all(each["value"] > 0 for each in sides)
