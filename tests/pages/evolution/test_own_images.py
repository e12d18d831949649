"""A recording of somebody's own network finds its images where they lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import streamlit as st

from ndcore.cli import main
from ndcore.errors import DataError
from ndcore.evolution import load_run
from ndcore.storage.places import run_dir
from pages.ui.evolution.run_images import reader_of
from pages.ui.evolution.runs import evolve_command
from pages.ui.frame.page_list import EVOLUTION
from tests.data.folder import kinds
from tests.ui import opened, texts

NET = f"{Path(kinds.__file__).resolve()}:net_3"


def test_images_are_read_as_they_were_recorded(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "images"
    found = kinds.several_sizes(root)
    asked = ["--data", str(root), "--size", "12", "12", "--crop", "0.75", "--epochs", "1"]
    assert main(["train", NET, *asked, "--record", "--run", "mine"]) == 0
    run = load_run("mine")
    keys = [image_id.removesuffix(".png") for image_id in list(found)[::7]]
    wanted = [kinds.middle(0.75)(found[f"{key}.png"][1]) for key in keys]
    assert np.array_equal(reader_of(run)(keys), np.stack(wanted))
    assert not opened(EVOLUTION.path, run="mine", part="Neuron").exception
    command = "python -m ndcore evolve mine --vulnerability"
    assert f"`{command}`" in texts(opened(EVOLUTION.path))
    root.rename(tmp_path / "away")
    assert f"`{command} --data FOLDER`" in texts(opened(EVOLUTION.path))
    (tmp_path / "away").rename(root)
    assert main(["evolve", "mine", "--vulnerability", "--images", "4"]) == 0

    root.rename(tmp_path / "elsewhere")
    st.cache_resource.clear()
    with pytest.raises(DataError, match="'images' that the recording was made from is not on this"):
        reader_of(run)
    (tmp_path / "data").mkdir()
    (tmp_path / "elsewhere").rename(tmp_path / "data" / "images")
    monkeypatch.setenv("ND_DATA", str(tmp_path / "data"))
    assert len(reader_of(run)(keys)) == len(keys)


def test_a_run_is_named_so_that_its_name_can_be_typed(
    empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_dir("/tmp/net.py:make").name == "tmp-net.py-make"
    assert run_dir("./.net.py:make").name == "net.py-make"
    assert run_dir("lenet-d").name == "lenet-d"
    earlier = run_dir("x").with_name("-tmp-net.py-make")
    earlier.mkdir(parents=True)
    assert run_dir("/tmp/net.py:make") == earlier, "an older run goes on where it is"

    words = ["evolve", "--vulnerability", "--", earlier.name]
    assert (
        evolve_command(earlier.name, "--vulnerability") == f"`python -m ndcore {' '.join(words)}`"
    )
    assert main(words) == 2
    assert f"there is no recorded run '{earlier.name}'" in capsys.readouterr().err
    assert evolve_command("lenet (shipped)") == "`python -m ndcore evolve 'lenet (shipped)'`"
    assert evolve_command("a`b") == "`` python -m ndcore evolve 'a`b' ``"
