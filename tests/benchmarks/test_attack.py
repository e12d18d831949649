from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import attack as benchmark
from benchmarks.attacking import race, speed, targets
from benchmarks.attacking.peers import PEERS, Counter, Setting
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source


@pytest.mark.usefixtures("digits_bundle")
def test_it_runs_on_a_small_bundle(digits_bundle: Bundle, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(speed, "ROUNDS", 1)
    picture = tmp_path / "curve.svg"
    found = benchmark.run(digits_bundle, 6, de_queries=400, picture=str(picture))
    assert found["name"] == "attack"
    rows = {row["what"]: row for row in found["rows"]}
    assert rows["exhaustive, float32"]["ratio"] > 0
    difference = next(row for what, row in rows.items() if "logit difference" in what)
    assert difference["value"] < 1e-4
    assert found["engines"]["fast"]["attacked"] == 6
    assert picture.read_text().startswith("<svg")
    assert set(found["curves"]) == {"exhaustive", "fast", "de"}


def test_scipy_as_a_peer_counts_its_queries(digits_bundle: Bundle) -> None:
    source = open_source("digits")
    model = Counter(digits_bundle.model).eval()
    image = source.pixels([0])[0]
    attack = PEERS["scipy differential_evolution"][1]
    found = attack(model, image, int(source.labels[0]), Setting(60, 3), 0)
    assert found.dtype == np.uint8
    assert (found != image).any(-1).sum() <= 1
    assert 0 < model.images <= 60 * 4


def one_small_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "ROUNDS", 1)
    monkeypatch.setattr(speed, "LOOKS", 1)
    monkeypatch.setattr(race, "SETTINGS", (Setting(60, 1),))
    name = "scipy differential_evolution"
    monkeypatch.setattr(race, "PEERS", {name: PEERS[name], "absent": ("absent", PEERS[name][1])})
    monkeypatch.setattr(race, "installed", lambda peer: peer == name)


def test_peers_race_to_the_same_successes(digits_bundle: Bundle, monkeypatch) -> None:
    one_small_peer(monkeypatch)
    found = benchmark.run(digits_bundle, 6, peers=True, de_queries=0)
    fast, peer, absent = found["peers"]
    assert found["goal"] > 0
    assert fast["reached"] == (fast["succeeded"] >= found["goal"])
    assert peer["reached"] == (peer["succeeded"] >= found["goal"])
    assert 0 < peer["queries"] <= 120 * peer["images"]
    assert min(fast["cpu_seconds"], peer["cpu_seconds"]) > 0
    assert absent["problem"] == "not installed"


def test_there_is_no_race_to_nothing(digits_bundle: Bundle, monkeypatch) -> None:
    one_small_peer(monkeypatch)
    attack_images = targets.attack_images

    def unbroken(*args, **options):
        return [replace(row, success=False) for row in attack_images(*args, **options)]

    monkeypatch.setattr(targets, "attack_images", unbroken)
    found = benchmark.run(digits_bundle, 2, peers=True, de_queries=0)
    assert found["goal"] == 0
    assert "peers" not in found
    assert not any("peer" in row["what"] for row in found["rows"])
