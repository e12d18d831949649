from __future__ import annotations

from contextlib import nullcontext

import pytest

from benchmarks import stop as benchmark
from ndcore.bundles.bundle import Bundle


def test_every_kind_of_work_is_stopped(
    digits_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "LATEST_S", 0.1)
    monkeypatch.setattr(benchmark, "PATCHES", 100)
    monkeypatch.setattr(benchmark, "_busy", nullcontext)
    steps: list[str] = []
    found = benchmark.run(digits_bundle, 1, on_step=lambda what, *_: steps.append(what))
    *rows, longest, most = found["rows"]
    assert len(rows) == 2 * len(steps) == 2 * len(benchmark._works(digits_bundle))
    for kind in ("first attack", "map", "batch", "triage", "clamp", "errors", "facets"):
        assert any(kind in row["what"] for row in rows)
    assert longest["value"] == max(row["value"] for row in rows[::2])
    assert most["value"] == max(row["value"] for row in rows[1::2])
    assert all(row["value"] >= 0 and row["ratio"] == row["value"] for row in rows[::2])
