"""`attack --out`: nothing that was finished is lost, and the rest is all that is done again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ndcore import attacks
from ndcore.bundles.bundle import Bundle
from ndcore.cli import main

COMMAND = ["attack", "--bundle", "digits-cnn", "--source", "digits", "--n", "12"]
COMMAND += ["--engine", "fast", "--max-queries", "60"]


class Interrupted:
    """`attack_images` that ends in the middle once, and says which images it was given."""

    def __init__(self, after: int) -> None:
        self.after, self.given, self._attack = after, [], attacks.attack_images

    def __call__(self, model: Any, pixels: Any, labels: Any, ids: Any, *rest: Any, **told: Any):
        self.given.append(tuple(ids))
        keep = told["on_result"]

        def on_result(at: int, result: Any) -> None:
            keep(at, result)
            self.after -= 1
            if not self.after:
                raise KeyboardInterrupt

        return self._attack(model, pixels, labels, ids, *rest, **told | {"on_result": on_result})


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


@pytest.mark.spec("LB-2")
def test_an_interrupted_attack_goes_on(
    digits_bundle: Bundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main([*COMMAND, "--out", str(whole)]) == 0
    broken_off = Interrupted(after=5)
    monkeypatch.setattr(attacks, "attack_images", broken_off)
    assert main([*COMMAND, "--out", str(parts)]) == 130
    assert not (parts / "results.json").exists()
    kept = sorted((parts / ".unfinished").glob("[0-9]*"))
    assert len(kept) == 5
    kept[0].write_bytes(kept[0].read_bytes()[:-7])  # killed while it was written
    assert main([*COMMAND, "--out", str(parts)]) == 0
    assert "4 finished images are taken over" in capsys.readouterr().err
    first, second = broken_off.given
    assert len(first) == 12
    assert len(second) == 8
    assert contents(parts) == contents(whole)


def test_another_attack_takes_nothing_over(
    digits_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off = Interrupted(after=5)
    monkeypatch.setattr(attacks, "attack_images", broken_off)
    assert main([*COMMAND, "--out", str(tmp_path)]) == 130
    assert main([*COMMAND, "--out", str(tmp_path), "--seed", "1"]) == 0
    assert [len(ids) for ids in broken_off.given] == [12, 12]


def test_a_folder_that_cannot_be_written_is_one_line(
    digits_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main([*COMMAND, "--out", str(tmp_path / "file" / "out")]) == 2
    assert capsys.readouterr().err.startswith("ndcore: cannot write to ")
