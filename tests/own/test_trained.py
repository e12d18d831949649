"""What a bundle is built with: random weights are never taken for trained ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from ndcore.bundles.bundle import load_bundle
from ndcore.cli import main
from ndcore.networks.factories import Origin, made
from ndcore.networks.registry import model_spec

RANDOM = "THE WEIGHTS ARE RANDOM"
NETS = """
from pathlib import Path
import numpy as np
import torch
from torch import nn

def net():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(400, 3))

def seeded():
    torch.manual_seed(1)
    return net()

def generated():
    made = net()
    draw = torch.Generator().manual_seed(3)
    for weight in made.parameters():
        nn.init.normal_(weight, generator=draw)
    return made

def loaded():
    made = seeded()
    made.load_state_dict(torch.load(Path(__file__).with_name("w.pt"), weights_only=True))
    return made

def fixed():
    made = net()
    for weight in made.parameters():
        nn.init.constant_(weight, 0.01)
    return made

def called(images):
    return np.full((len(images), 3), 1 / 3)
"""


@pytest.fixture
def nets(tmp_path: Path) -> str:
    path = tmp_path / "nets.py"
    path.write_text(NETS)
    made = model_spec(f"{path}:net").build()
    torch.save(made.state_dict(), tmp_path / "w.pt")
    return str(path)


@pytest.mark.parametrize(
    ("name", "origin", "times"),
    [
        ("net", Origin.DRAWN, 3),
        ("seeded", Origin.SEEDED, 3),
        ("generated", Origin.SEEDED, 3),
        ("loaded", Origin.BROUGHT, 2),
        ("fixed", Origin.BROUGHT, 2),
        ("called", Origin.BROUGHT, 2),
    ],
)
def test_a_factory_that_seeds_its_weights_is_told_from_one_that_loads_them(
    name: str, origin: Origin, times: int, nets: str
) -> None:
    build, built = model_spec(f"{nets}:{name}").build, []

    def make() -> nn.Module:
        built.append(build())
        return built[-1]

    model, found = made(make)
    assert found is origin
    assert model is built[0]
    assert len(built) == times


def test_random_weights_are_said_and_a_run_of_another_name_is_asked_for(
    nets: str, folder: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--data", str(folder)]
    model = f"{nets}:seeded"
    build = ["build", "mine", "--model", model, *asked, "--gallery", "0"]
    for command in (["check", model, *asked], build):
        assert main(command) == 0
        assert RANDOM in capsys.readouterr().out
    loaded = f"{nets}:loaded"
    for command in (["check", loaded, *asked], [*build[:3], loaded, *build[4:]]):
        assert main(command) == 0
        assert RANDOM not in capsys.readouterr().out

    assert main(["train", model, *asked, "--run", "second", "--epochs", "1"]) == 0
    told = capsys.readouterr().out.splitlines()[-1]
    command = f"python -m ndcore build second --model {model} --data {folder} --run second"
    assert told.endswith(command)
    assert main(build) == 2
    assert "--run second" in capsys.readouterr().err
    assert main([*build, "--run", "third"]) == 2
    assert "no finished training run 'third'; there is --run second" in capsys.readouterr().err
    assert main([*build, "--run", "second", "--weights", "w.pt"]) == 2
    assert "give no others" in capsys.readouterr().err
    assert main([*build, "--run", "second"]) == 0
    assert RANDOM not in capsys.readouterr().out
    assert load_bundle("mine").manifest["training"]["epochs"]


def test_a_factory_of_other_weights_each_time_is_refused(
    nets: str, folder: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [f"{nets}:net", "--data", str(folder)]
    assert main(["build", "mine", "--model", *asked]) == 2
    assert "no trained weights" in capsys.readouterr().err
    assert main(["train", *asked, "--run", "second", "--epochs", "1"]) == 0
    assert main(["build", "mine", "--model", *asked]) == 2
    assert "take the one that trained it, --run second" in capsys.readouterr().err
