"""A recording of somebody's own network finds its images where they lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import streamlit as st

from ndcore.cli import main
from ndcore.errors import DataError
from ndcore.evolution import load_run
from pages.ui.evolution.run_images import reader_of
from pages.ui.frame.page_list import EVOLUTION
from tests.data.folder import kinds
from tests.ui import opened

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
    assert main(["evolve", "mine", "--vulnerability", "--images", "4"]) == 0

    root.rename(tmp_path / "elsewhere")
    st.cache_resource.clear()
    with pytest.raises(DataError, match="'images' that the recording was made from is not on this"):
        reader_of(run)
    (tmp_path / "data").mkdir()
    (tmp_path / "elsewhere").rename(tmp_path / "data" / "images")
    monkeypatch.setenv("ND_DATA", str(tmp_path / "data"))
    assert len(reader_of(run)(keys)) == len(keys)
