from __future__ import annotations

import pytest

from benchmarks import scale
from ndcore.bundles.bundle import Bundle


def test_it_tells_what_an_image_costs(
    digits_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scale, "WORKERS", (1,))
    found = scale.run(digits_bundle, 64)
    values = {row["what"]: row["value"] for row in found["rows"]}
    assert set(values) == {
        f"distributions, 1 worker: {what}" for what in ("clock", "processor", "merged")
    }
    assert values["distributions, 1 worker: clock"] > 0
    # Counts of every unit, and the two ends of its range.
    units = sum(digits_bundle.usual(layer).units for layer in digits_bundle.layers)
    assert values["distributions, 1 worker: merged"] > 8 * units / 64
