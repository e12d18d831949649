"""The folder that a bundle was built from is a source of images on every page, and no other is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from PIL import Image

from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.bundles.images import open_own
from ndcore.cli import main
from ndcore.data.pairs import Pair
from pages.ui.frame.page_list import DETECTOR, EXPLORER, LAB
from pages.ui.images.ticked import ids_from_link, ids_to_link
from tests.data.folder import kinds
from tests.pages.test_hostile_names import shown
from tests.ui import ended, job_of, linked, opened, texts

NET, FRAGILE = (f"{Path(kinds.__file__).resolve()}:{name}" for name in ("net_3", "Fragile"))
CLASSES = kinds.FINE["odd-names"].classes


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache and beside it the folder, as one machine leaves them; its names are odd."""
    place = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ND_CACHE", str(place / "cache"))
        kinds.odd_names(place / "a *b* <u>folder")
        data = ["--data", str(place / "a *b* <u>folder")]
        assert main(["build", "mine", "--model", FRAGILE, *data]) == 0
    return place


@pytest.fixture
def own(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """The bundle, the folder where it was."""
    monkeypatch.setenv("ND_CACHE", str(made / "cache"))
    monkeypatch.setenv("ND_DATA", str(tmp_path / "data"))
    return load_bundle("mine")


@pytest.fixture
def moved(made: Path, own: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The bundle on another machine: returns where the folder would be found."""
    shutil.copytree(made / "cache", tmp_path / "cache")
    manifest = tmp_path / "cache" / "bundles" / "mine" / "manifest.json"
    about = json.loads(manifest.read_text())
    about["data"]["root"] = "/nowhere/a *b* <u>folder"
    manifest.write_text(json.dumps(about))
    monkeypatch.setenv("ND_CACHE", str(tmp_path / "cache"))
    return tmp_path / "data" / "a *b* <u>folder"


def first(own: Bundle, label: int) -> str:
    source = open_own(own)
    assert source is not None
    return source.ids[int(np.flatnonzero(source.labels == label)[0])]


def test_images_are_picked_by_class_and_the_link_restores_them(own: Bundle) -> None:
    at = opened(LAB.path, bundle="mine", correct_only="0")
    assert at.button_group(key="source").value == "folder"
    assert len(at.checkbox) == 20
    assert at.number_input(key="screen").max == 3
    at.multiselect(key="filter").set_value([CLASSES[2]]).run()
    boxes = [box for box in at.checkbox if box.key.startswith("tile_")]
    assert len(boxes) == 16
    boxes[3].check().run()
    chosen = linked(at, "images")
    assert not at.exception
    fresh = opened(LAB.path, **dict(at.query_params))
    assert linked(fresh, "images") == chosen
    assert not fresh.warning
    assert sum(box.value for box in fresh.checkbox if box.key.startswith("tile_")) == 1
    fresh.button(key="start").click().run()
    (result,) = ended(job_of(fresh)).result.results
    assert not fresh.run().exception
    assert result.true == 2
    pixels = np.asarray(Image.open(Path(own.manifest["data"]["root"], result.id)))
    assert np.array_equal(result.benign, pixels)


def test_the_detector_judges_an_image_of_a_class(own: Bundle) -> None:
    link = {"bundle": "mine", "judge": "folder", "image_class": CLASSES[1], "image_number": "0"}
    at = opened(DETECTOR.path, **link)
    assert not at.exception
    assert not at.warning
    assert "schöne Schiffe, 船 🚢" in texts(at)
    at.number_input(key="image_folder").set_value(15).run()
    assert linked(at, "image_number") == "15"
    assert at.number_input(key="image_folder").max == 15
    at.selectbox(key="image_class_folder").set_value("all classes").run()
    assert at.number_input(key="image_folder").max == 47


def test_the_explorer_takes_an_image_and_its_link_finds_it_again(own: Bundle) -> None:
    link = {"bundle": "mine", "add_instance": "1", "add_way": "Image", "add_class": CLASSES[2]}
    at = opened(EXPLORER.path, **link)
    at.button(key="add_it").click().run()
    assert not at.exception
    token = linked(at, "with")
    source = open_own(own)
    assert source is not None
    assert Pair.from_token(token, own.shape, lambda name: (
        source.pixels([source.index(name)])[0], 2)).image_id == first(own, 2)  # fmt: skip
    fresh = opened(EXPLORER.path, bundle="mine", **{"with": token})
    assert not fresh.exception
    assert not fresh.warning
    assert linked(fresh, "with") == token


def test_triage_draws_from_it(own: Bundle) -> None:
    at = opened(DETECTOR.path, bundle="mine", detector_tab="Many images", triage_images="folder")
    assert not at.exception
    assert "benign images that neither trained nor calibrated anything" in texts(at)
    at.button(key="triage_start").click().run()
    ended(job_of(at, "triage"))
    assert not at.run().exception


def test_the_gallery_and_home_show_its_images(own: Bundle) -> None:
    assert own.gallery
    at = opened(LAB.path, bundle="mine", source="gallery")
    assert not at.exception
    assert f"{len(own.gallery)} of them on images that are on this machine" in texts(at)
    home = opened("Home.py", bundle="mine")
    assert not home.exception
    assert "48 images" in texts(home)
    assert r"a \*b\* \<u\>folder" in texts(home)


def test_the_story_begins_with_an_image_of_the_folder_chosen(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = kinds.noise()
    for name in kinds.CLASSES:
        for i in range(16):
            kinds.save(tmp_path / "d", f"{name}/{i:02d}.png", next(pixels))
    assert main(["build", "plain", "--model", FRAGILE, "--data", str(tmp_path / "d")]) == 0
    (example, *_) = load_bundle("plain").gallery
    went: list[dict[str, str]] = []
    monkeypatch.setattr(st, "switch_page", lambda _, query_params: went.append(query_params))
    home = opened("Home.py", bundle="plain")
    home.button(key="go").click().run()
    assert not home.exception
    (link,) = went
    at = opened(LAB.path, **link)
    assert not at.exception
    assert not at.warning
    assert sum(box.value for box in at.checkbox if box.key.startswith("tile_")) == 1
    assert linked(at, "images").endswith(".png")
    assert not at.button(key="start").disabled
    # A link with what the gallery calls it finds it too.
    keyed = opened(LAB.path, bundle="plain", source="folder", images=example.id)
    assert not keyed.warning
    assert linked(keyed, "images") == f"{example.id}.png"


def test_a_folder_that_is_not_here_is_told_and_found_in_the_data_folder(
    moved: Path, made: Path
) -> None:
    for page, link in ((LAB.path, {}), (DETECTOR.path, {}), ("Home.py", {})):
        at = opened(page, bundle="mine", **link)
        assert not at.exception
        assert "is not on this machine: bring it to where it was" in texts(at)
        assert "data fetch cifar10" not in texts(at) or page == "Home.py"
    gallery = opened(LAB.path, bundle="mine", source="gallery")
    assert "is not on this machine" in texts(gallery)
    assert "cifar10" not in texts(gallery)
    st.cache_data.clear()  # or twenty seconds later
    moved.parent.mkdir()
    shutil.copytree(made / moved.name, moved)
    at = opened(LAB.path, bundle="mine")
    assert at.button_group(key="source").value == "folder"
    assert not at.exception


STATES = {
    "home": ("Home.py", {}),
    "lab": (LAB.path, {"correct_only": "0"}),
    "lab, by hand": (LAB.path, {"way": "hand"}),
    "lab, gallery": (LAB.path, {"source": "gallery"}),
    "detector": (DETECTOR.path, {"judge": "folder"}),
    "detector, many": (DETECTOR.path, {"detector_tab": "Many images"}),
    "explorer": (EXPLORER.path, {"add_instance": "1", "add_way": "Image"}),
    "explorer, gallery": (EXPLORER.path, {"add_instance": "1", "add_way": "From the gallery"}),
    "explorer, errors": (EXPLORER.path, {"add_instance": "1", "add_way": "Natural error"}),
}


@pytest.mark.parametrize("state", STATES)
def test_names_of_folders_and_files_are_text(state: str, own: Bundle) -> None:
    page, link = STATES[state]
    ids = [first(own, 0), first(own, 2)]
    assert not shown(opened(page, bundle="mine", images=ids_to_link(ids), **link))


@pytest.mark.parametrize(
    "path",
    ["../secret/1.png", "/etc/passwd", "%2E%2E/secret/1.png", "secret/1.png", "cat/../../1.png"],
)
def test_no_link_reads_another_file(path: str, own: Bundle, made: Path) -> None:
    kinds.save(made, "secret/1.png", next(kinds.noise()))
    at = opened(EXPLORER.path, bundle="mine", pair=path, **{"with": path})
    assert not at.exception
    assert "cannot be shown" in texts(at)
    at = opened(LAB.path, bundle="mine", images=path)
    assert not at.exception
    assert "that are not in Folder" in texts(at)


def test_a_file_that_broke_since_is_one_sentence(moved: Path, made: Path, own: Bundle) -> None:
    shutil.copytree(made / moved.name, moved)
    (moved / first(own, 0)).write_bytes(b"no image")
    for page, link in ((LAB.path, {}), (DETECTOR.path, {"judge": "folder"})):
        at = opened(page, bundle="mine", **link)
        assert not at.exception
        assert any("is not a PNG" in error.value for error in at.error)
    shutil.rmtree(moved / CLASSES[0])
    (moved / "another").mkdir()
    kinds.save(moved, "another/1.png", next(kinds.noise()))
    at = opened(LAB.path, bundle="mine")
    assert not at.exception


def test_uploads_are_cut_as_the_bundle_says(tmp_path: Path, empty_cache: Path) -> None:
    kinds.several_sizes(tmp_path / "d")
    build = ["build", "mine", "--model", NET, "--data", str(tmp_path / "d"), "--gallery", "0"]
    assert main([*build, "--size", "12", "12", "--crop", "0.75"]) == 0
    pixels = next(kinds.noise((20, 31)))
    Image.fromarray(pixels).save(tmp_path / "up.png")
    at = opened(LAB.path, bundle="mine", source="upload")
    at.file_uploader[0].upload("up.png", (tmp_path / "up.png").read_bytes()).run()
    assert "its middle kept" in texts(at)
    at.button(key="start").click().run()
    (result,) = ended(job_of(at)).result.results
    assert np.array_equal(result.benign, kinds.middle(0.75)(pixels))


def test_odd_names_survive_a_link() -> None:
    ids = ["a, b/x~1.png", "c%2C/10:00.png", "c/10:11", "samples:3", "samples:4", "d/ü#.png"]
    assert ids_from_link(ids_to_link(ids)) == ids
