"""A full or read-only disk, and two that make one thing: one line, and nothing is lost."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ndcore.bundles.bundle import load_bundle
from ndcore.cli import main
from ndcore.errors import BadRequestError
from ndcore.storage import atomic
from ndcore.storage.lock import only_one

pytestmark = pytest.mark.faults

ROOT = Path(__file__).resolve().parents[2]
HOLDS = """
import sys, time
from pathlib import Path
from ndcore.storage.lock import only_one
with only_one(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    time.sleep(600)
"""
COMMANDS = (
    ["train", "digits-cnn", "--epochs", "1", "--run", "new"],
    ["build", "digits-cnn", "--gallery", "0"],
    ["attack", "digits:0", "--bundle", "digits-cnn", "--max-queries", "10", "--out", "found"],
)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_disk_that_takes_nothing_is_one_line(
    command: list[str],
    number: int,
    twin: Path,
    digits_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (twin / "runs").symlink_to(digits_cache / "runs")
    before = (twin / "bundles" / "digits-cnn" / "manifest.json").read_bytes()

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.chdir(twin)
    for name in ("mkstemp", "mkdtemp"):
        monkeypatch.setattr(atomic.tempfile, name, refuse)
    assert main(command) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert told[-1].startswith("ndcore: cannot write")
    assert os.strerror(number) in told[-1]
    assert not any("Traceback" in line for line in told)
    assert (twin / "bundles" / "digits-cnn" / "manifest.json").read_bytes() == before
    load_bundle("digits-cnn")


@pytest.mark.parametrize(
    ("command", "place"),
    [(COMMANDS[0], "runs/new"), (COMMANDS[1], "bundles/digits-cnn")],
    ids=["train", "build"],
)
def test_two_that_make_one_thing(
    command: list[str],
    place: str,
    empty_cache: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(empty_cache / place)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert main(command) == 2
        assert "is being made by another process" in capsys.readouterr().err
    finally:
        other.kill()
        other.communicate()
    with only_one(empty_cache / place, "it"):  # a killed process holds nothing
        pass


def test_two_jobs_of_one_process(tmp_path: Path) -> None:
    with (
        only_one(tmp_path / "a", "a"),
        only_one(tmp_path / "b", "b"),
        pytest.raises(BadRequestError, match="a is being made"),
        only_one(tmp_path / "a", "a"),
    ):
        pass
    with only_one(tmp_path / "a", "a"):
        pass
