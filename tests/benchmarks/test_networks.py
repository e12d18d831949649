from __future__ import annotations

import pytest
from torch import nn

from benchmarks.attacking import networks


def small() -> nn.Module:
    parts = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU()]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))


def test_the_bound_and_what_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "NETWORKS", (networks.Network("small", small, 20),))
    monkeypatch.setattr(networks, "ROUNDS", 1)
    monkeypatch.setattr(networks, "LOOKS", 1)
    rows = {row["what"]: row for row in networks.run(1)["rows"]}
    queries, bound = rows["small: queries"], rows["small: bound"]["value"]
    assert bound > 5
    assert queries["ratio"] > 0
    assert rows["small: reached"]["ratio"] == pytest.approx(queries["ratio"] / bound)
    name = f"small: largest difference of {networks.CHECKED} changes, per unit of logit"
    assert rows[name]["value"] < 1e-4


def test_lite0_is_b0_without_squeeze_and_excite() -> None:
    model = networks.efficientnet_lite0()
    # As published: 4.65 million weights (Liu 2020, "EfficientNet-Lite").
    assert sum(parameter.numel() for parameter in model.parameters()) == 4_652_008
    assert not [module for module in model.modules() if isinstance(module, nn.SiLU)]
