from __future__ import annotations

import pytest

from benchmarks import scale
from ndcore.bundles.bundle import Bundle


def test_it_tells_what_an_image_costs_of_one_worker_and_of_two(digits_bundle: Bundle) -> None:
    rows = {row["what"]: row for row in scale.run(digits_bundle, 64)["rows"]}
    units = sum(digits_bundle.usual(layer).units for layer in digits_bundle.layers)
    for told in ("1 worker", "2 workers", "2 Dask workers"):
        found = {what: rows[f"distributions, {told}: {what}"] for what in ("processor", "clock")}
        assert all(row["value"] > 0 for row in found.values())
        merged = rows[f"distributions, {told}: merged"]
        assert merged["value"] > units / 64  # each unit's counts, of all images in one shard
        if told != "1 worker":
            # The same counts, whoever counts; Dask takes words apart that pickle shares.
            assert merged["ratio"] == pytest.approx(1, abs=0.01)
            assert found["processor"]["against"] == "1 worker"
    assert rows["distributions, 2 workers: merged by each"]["value"] == pytest.approx(
        rows["distributions, 2 workers: merged"]["value"] * 64 / 2 / 2**20
    )


def test_a_plan_is_images_times_the_cost_of_one_by_the_workers() -> None:
    done = scale.Pass(images=1000, clock=9.0, seconds=[5.0, 7.0], sizes=[2**20, 2**20])
    clock, merged = scale.plan_rows(done)
    assert (clock["value"], clock["unit"]) == (pytest.approx(1281.167 * 12 / 100 / 60), "minutes")
    assert (merged["value"], merged["unit"]) == (pytest.approx(1281.167 * 2 / 100), "MB")
