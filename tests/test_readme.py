"""What the README tells people to type exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ndcore.cli import command_parser

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [
    part.strip().removeprefix("python -m ndcore ")
    for block in re.findall(r"```sh\n(.*?)```", README, re.S)
    for line in block.splitlines()
    for part in line.split("&&")
    if part.strip().startswith("python -m ndcore ")
]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_parse(command: str) -> None:
    typed = shlex.split(command)
    assert command_parser().parse_args(typed).command == typed[0]


@pytest.mark.spec("UX-9")
def test_there_are_two_commands_to_start_with() -> None:
    assert "pip install -r requirements.txt && streamlit run Home.py" in README
    assert "pip install -r requirements-dev.txt && pytest" in README
    assert len(COMMANDS) >= 8


@pytest.mark.spec("UX-9")
def test_files_it_shows_exist() -> None:
    for target in re.findall(r"!\[[^]]+\]\(([^)]+)\)", README):
        assert (ROOT / target).is_file(), target


def test_places_it_names_exist() -> None:
    told = README[README.index("## Where things are") : README.index("## Limits")]
    named = re.findall(r"`((?:ndcore|tests|pages/ui/frame)/[^`]+)`", told)
    assert len(named) >= 12
    for place in named:
        assert (ROOT / place).exists(), place
