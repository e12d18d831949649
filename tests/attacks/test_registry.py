"""An engine is one file and one record: whoever lists engines reads the registry."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import numpy as np
import pytest

from ndcore.attacks import ENGINES, AttackConfig, Engine, attack_images
from ndcore.attacks.engines.search import Candidates, Problem, Search
from ndcore.bundles.bundle import Bundle
from ndcore.cli import main
from tests.decisive_pixel import OneDecisivePixel
from tests.ui import ended, job_of, opened, texts

ROOT = Path(__file__).resolve().parents[2]
GREY = np.full((16, 16, 3), 100, np.uint8)


def toy_search(problem: Problem, rng: np.random.Generator) -> Search:
    """Every pixel in white."""
    height, width, channels = problem.image.shape
    places = np.stack(np.meshgrid(range(height), range(width), indexing="ij"), -1)
    white = np.full((height * width, 1, channels), 255, np.uint8)
    yield Candidates(places.reshape(-1, 1, 2), white, "white", problem.image)


TOY = Engine(
    "toy", "White dot", "Each pixel in white", toy_search, lambda shape, _: shape[0] * shape[1]
)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setitem(ENGINES, "toy", TOY)
    return TOY


@pytest.mark.usefixtures("toy")
def test_its_hits_are_verified() -> None:
    result = attack_images(OneDecisivePixel(5, 9), GREY[None], [0], ["a"], AttackConfig("toy"))[0]
    assert result.success
    assert [(change.row, change.col) for change in result.pixels] == [(5, 9)]
    assert result.found_by == "toy"
    assert result.queries == 128  # two chunks of 64: the pixel is the 90th
    assert result.first_hit == 5 * 16 + 9 + 1


@pytest.mark.usefixtures("toy")
def test_the_command_line_finds_it(
    digits_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--bundle", digits_bundle.name, "--source", "digits", "--n", "3", "--json", "-"]
    assert main(["attack", "--engine", "toy", *asked]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["engine"], told["budget"], told["summary"]["attacked"]) == ("toy", 64, 3)
    with pytest.raises(SystemExit):
        main(["attack", "--help"])
    assert "toy: Each pixel in white" in " ".join(capsys.readouterr().out.split())


@pytest.mark.usefixtures("toy")
def test_the_lab_offers_and_runs_it(digits_bundle: Bundle) -> None:
    image = digits_bundle.gallery[0].id
    at = opened("pages/1_Attack_Lab.py", engine="toy", images=image)
    assert not at.exception
    assert at.selectbox(key="engine").value == "toy"
    assert "White dot" in at.selectbox(key="engine").options
    assert "Each pixel in white. At most 64 queries per image." in texts(at)
    at.button(key="start").click().run()
    ended(job_of(at))
    assert not at.run().exception
    assert "Ended with 64 of at most 64 queries" in texts(at)


def test_nothing_compares_an_engine_with_a_name() -> None:
    for folder in ("ndcore", "pages"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Compare):
                    words = {
                        part.value
                        for side in (node.left, *node.comparators)
                        for part in ast.walk(side)
                        if isinstance(part, ast.Constant) and isinstance(part.value, str)
                    }
                    assert not words & set(ENGINES), f"{path}:{node.lineno}"


def test_the_readme_names_every_engine() -> None:
    readme = (ROOT / "README.md").read_text()
    for engine in ENGINES.values():
        assert f"`{engine.name}`" in readme or f"--engine {engine.name}" in readme, engine.name
