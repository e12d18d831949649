"""The Attack Lab by AppTest on digits: choosing, settings, results, map, hand, batch, gallery."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from pages.ui.components.hand import Hand, Pick
from pages.ui.elements.tiles import tile_key
from pages.ui.frame.page_list import EXPLORER
from pages.ui.frame.words import plain
from pages.ui.images.picker import TILES
from tests.ui import GOOD, captions, components, ended, job_of, linked, opened, texts

LAB = "pages/1_Attack_Lab.py"


def attacked(**link: str) -> AppTest:
    """The page after an attack with the settings of a link."""
    at = opened(LAB, **link)
    assert not at.exception
    at.button(key="start").click().run()
    ended(job_of(at))
    at.run()
    assert not at.exception
    return at


def again(at: AppTest) -> AppTest:
    """The page in a fresh session, opened by the link of this one."""
    found = opened(LAB, **{name: linked(at, name) for name in at.query_params})
    assert not found.exception
    assert not found.warning
    return found


def known(bundle: Bundle) -> str:
    return str(bundle.gallery[0].id)


@pytest.mark.spec("AL-1")
@pytest.mark.usefixtures("digits_bundle")
def test_ticks_survive_paging_and_can_be_cleared() -> None:
    at = opened(LAB)
    assert "Click the images to attack" in texts(at)
    at.checkbox[0].check().run()
    at.number_input(key="screen").set_value(3).run()
    at.checkbox[1].check().run()
    assert "2 images chosen" in texts(at)
    assert at.button(key="start").label == "Attack 2 images"
    at.number_input(key="screen").set_value(1).run()
    assert at.checkbox[0].value
    assert at.query_params["images"]
    at.button(key="choose_shown").click().run()
    assert all(box.value for box in at.checkbox)
    at.button(key="clear_chosen").click().run()
    assert "Click the images to attack" in texts(at)
    assert not any(box.value for box in at.checkbox)


@pytest.mark.usefixtures("digits_bundle")
def test_boxes_that_the_server_forgot_do_not_turn_the_choice_round() -> None:
    at = opened(LAB)
    at.checkbox[0].check().run()
    boxes = [box.set_value(box.value) for box in at.checkbox]
    # As after a switch of the bundle under a running job: the browser tells of all its boxes
    # and each counts as changed, because the server has forgotten them.
    for box in boxes:
        del at.session_state[box.key]
    at.run()
    assert "1 image chosen" in texts(at)
    assert [box.key for box in at.checkbox if box.value] == [boxes[0].key]


@pytest.mark.spec("AL-1")
def test_only_correctly_classified_images_of_a_class_are_offered(digits_bundle: Bundle) -> None:
    source = open_source("digits")
    predicted = digits_bundle.read(source.pixels(range(len(source.labels)))).predicted
    wrong = int((predicted != source.labels).argmax())
    # An image that the link asks for is on the first screen.
    at = opened(LAB, images=source.ids[wrong])
    at.multiselect(key="filter").set_value([str(source.labels[wrong])]).run()
    places = {tile_key(TILES, image_id): i for i, image_id in enumerate(source.ids)}
    for only in (True, False):
        at.toggle(key="correct_only").set_value(only).run()
        assert not at.exception
        keys = [box.key for box in at.checkbox if box.key.startswith("tile_")]
        offered = [places[key] for key in keys]
        assert offered
        assert set(source.labels[offered]) == {source.labels[wrong]}
        assert (wrong in offered) == (not only)
        assert all(predicted[offered] == source.labels[offered]) == only


@pytest.mark.usefixtures("digits_bundle")
def test_a_random_choice_is_seeded() -> None:
    found = []
    for _ in range(2):
        at = opened(LAB)
        at.button(key="choose_random").click().run()
        assert not at.exception
        assert "50 images chosen" in texts(at)
        found.append(at.query_params["images"])
    assert found[0] == found[1]


@pytest.mark.spec("AL-5", "AL-12")
@pytest.mark.usefixtures("digits_bundle")
def test_a_link_restores_images_and_settings() -> None:
    at = opened(
        LAB,
        images="digits:3,5-6",
        engine="de",
        pixels="3",
        target="7",
        budget="1200",
        seed="9",
    )
    assert not at.exception
    assert not at.warning
    assert "3 images chosen" in texts(at)
    assert at.selectbox(key="engine").value == "de"
    assert at.selectbox(key="target_digits-cnn").value == "7"
    assert at.number_input(key="seed").value == 9
    assert "At most 1,200 queries per image" in texts(at)
    at.button(key="start").click().run()
    config = ended(job_of(at)).result.config
    assert (config.engine, config.pixels, config.target) == ("de", 3, 7)
    assert (config.max_queries, config.seed) == (1200, 9)


@pytest.mark.parametrize(
    ("name", "value"),
    [("engine", "magic"), ("pixels", "9"), ("target", "<b>"), ("budget", "-4"), ("seed", "x"),
     ("then", "fast"), ("epsilon", "99"), ("way", "luck"), ("source", "moon"),
     ("images", "digits:99999"), ("images", "nonsense")],
)  # fmt: skip
@pytest.mark.usefixtures("digits_bundle")
def test_a_bad_link_is_one_sentence_and_the_page_works(name: str, value: str) -> None:
    at = opened(LAB, **{name: value} | ({"engine": "fgsm"} if name == "epsilon" else {}))
    assert not at.exception
    assert len(at.warning) == 1
    assert plain(value) in at.warning[0].value
    at.run()
    assert not at.warning, "said once"


@pytest.mark.usefixtures("digits_bundle")
def test_a_job_that_is_gone_is_said() -> None:
    at = opened(LAB, images="digits:3", job="long-gone")
    assert not at.exception
    assert "no longer kept" in at.info[0].value
    assert "1 image chosen" in texts(at)


@pytest.mark.usefixtures("digits_bundle")
def test_a_budget_belongs_to_its_engine() -> None:
    at = opened(LAB, engine="de", budget="1234")
    assert "At most 1,234 queries" in texts(at)
    at.number_input(key="seed").set_value(3).run()
    assert "At most 1,234 queries" in texts(at)
    assert "At most 1,234 queries" in texts(again(at))
    at.selectbox(key="engine").set_value("exhaustive").run()
    assert "At most 128 queries" in texts(at)
    assert "budget" not in at.query_params
    at.select_slider(key="budget_digits-cnn_exhaustive_1_").set_value(64).run()
    assert "At most 64 queries" in texts(at)
    assert "At most 64 queries" in texts(again(at))


@pytest.mark.parametrize("engine", ["fast", "exhaustive", "de", "fgsm", "pgd", "deepfool", "cw"])
@pytest.mark.usefixtures("digits_bundle")
def test_every_engine_is_explained(engine: str) -> None:
    at = opened(LAB, engine=engine)
    assert not at.exception
    told = texts(at)
    if engine in ("fast", "exhaustive", "de"):
        assert "queries per image" in told
    else:
        assert "changes every pixel" in told
        assert "comparison" in at.selectbox(key="engine").format_func(engine)


@pytest.mark.spec("AL-8")
def test_an_exhaustive_attack_shows_its_map(digits_bundle: Bundle) -> None:
    at = attacked(images=known(digits_bundle), engine="exhaustive")
    told = texts(at)
    assert "of 64 pixels" in told
    assert "What one pixel can turn it into" in told
    assert len(components(at)) == 1
    assert at.get("download_button")
    at.segmented_control(key="hand_backdrop").set_value("flips").run()
    assert not at.exception
    assert linked(at, "map_view") == "flips"
    assert again(at).segmented_control(key="hand_backdrop").value == "flips"


def test_a_stopped_map_says_how_much_was_tried(digits_bundle: Bundle) -> None:
    at = attacked(images=known(digits_bundle), engine="exhaustive", budget="40")
    assert "This budget leaves the map incomplete" in texts(at)
    assert "40 of 128 points of the grid" in texts(at)


@pytest.mark.spec("AL-7")
def test_a_failed_attack_shows_its_nearest_miss(digits_bundle: Bundle) -> None:
    at = attacked(images=known(digits_bundle), budget="1", target="0")
    assert "The attack failed" in at.header[0].value
    assert "Nearest miss" in captions(at)


@pytest.mark.spec("AL-13")
def test_a_comparison_shows_the_change_enlarged_and_makes_no_link(digits_bundle: Bundle) -> None:
    at = attacked(images=known(digits_bundle), engine="fgsm", epsilon="32")
    told = texts(at)
    assert "pixels changed" in told
    assert "L2 distance" in told
    assert "grey = unchanged" in captions(at)
    assert "pair" not in at.query_params
    at.switch_page("pages/2_Activation_Explorer.py").run()
    assert not at.exception
    assert not at.error
    assert len(components(at)) == 1


@pytest.mark.spec("AL-9")
def test_a_pixel_set_by_hand_is_read_at_once_and_sent_on(digits_bundle: Bundle) -> None:
    image_id = known(digits_bundle)
    at = opened(LAB, images=image_id, way="hand")
    assert not at.exception
    assert "Untouched. Pick a pixel." in texts(at)
    identity = at.session_state["free_hand"][0]
    row = digits_bundle.gallery[0].pixels[0]
    pick = Pick(row.row, row.col, row.after, 1)
    at.session_state["free_hand"] = (identity, Hand(colour=(255,)).take(pick))
    at.run()
    told = texts(at)
    assert f"row {row.row}, column {row.col} → grey" in told
    assert f"## {digits_bundle.gallery[0].predicted_after} " in told
    assert "**Divergence** p = " in told
    at.button(key="free_undo").click().run()
    assert "Untouched" in texts(at)
    at.session_state["free_hand"] = (identity, Hand(colour=(255,)).take(pick))
    at.run()
    at.button(key="free_to_explorer").click().run()
    assert not at.exception
    assert at.title[0].value == "Activation Explorer"
    assert image_id in str(at.query_params["pair"])


@pytest.mark.spec("UX-6")
@pytest.mark.usefixtures("digits_bundle")
def test_by_hand_without_an_image_says_what_to_do() -> None:
    at = opened(LAB, way="hand")
    assert "Choose an image, then click" in at.info[0].value


@pytest.mark.spec("AL-10")
def test_a_batch_is_summarised_and_a_cell_filters_it(digits_bundle: Bundle) -> None:
    source = open_source("digits")
    wrong = digits_bundle.read(source.pixels(range(200))).predicted != source.labels[:200]
    skipped = source.ids[int(wrong.argmax())] if wrong.any() else ""
    ids = [*(row.id for row in digits_bundle.gallery[:3]), *([skipped] if skipped else [])]
    at = attacked(images=",".join(ids))
    told = texts(at)
    assert "correctly classified images were broken" in told
    assert "95% interval" in told
    if skipped:
        assert "1 skipped" in told
    first = digits_bundle.gallery[0]
    true = digits_bundle.class_index(first.true)
    results = job_of(at).result.results
    after = next(result.predicted_after for result in results if result.id == first.id)
    at.query_params["cell"] = f"{true}-{after}"
    at.run()
    assert not at.exception
    assert f"**{first.true} → {digits_bundle.classes[after]}**" in texts(at)
    assert f"**{first.true} → {digits_bundle.classes[after]}**" in texts(again(at))
    at.button(key="cell_all").click().run()
    assert "Click a cell" in texts(at)
    assert "cell" not in at.query_params


def test_a_picked_row_opens_elsewhere_with_its_batch(digits_bundle: Bundle) -> None:
    ids = [str(row.id) for row in digits_bundle.gallery[:3]]
    at = attacked(images=",".join(ids), budget="1", target="")
    for image_id in ids[::-1]:
        at.query_params["row"] = image_id
        at.run()
        for found in (at, again(at)):
            assert linked(found, "row") == image_id
            assert linked(found, "pair").partition("~")[0] == image_id
    for name, value in (("row", "<b>"), ("cell", "99-99"), ("cell", "x")):
        found = opened(LAB, **{"images": ids[0], "job": linked(at, "job"), name: value})
        assert not found.exception
        assert [plain(value) in warning.value for warning in found.warning] == [True]
        assert name not in found.query_params


def test_stop_keeps_what_was_found_and_shows_it_at_once(digits_bundle: Bundle) -> None:
    rows = digits_bundle.gallery[:3]
    ids = [str(row.id) for row in rows]
    met = {row.true for row in rows} | {row.predicted_after for row in rows}
    target = next(name for name in digits_bundle.classes if name not in met)
    at = opened(LAB, images=",".join(ids), engine="de", target=target, budget="1000000")
    at.button(key="start").click().run()
    job = job_of(at)
    assert job.active
    assert (job.kind, job.about) == ("job", digits_bundle.name)
    while job.progress is None:
        time.sleep(0.01)
    at.run()
    assert "Attack on 3 images" in texts(at)
    strip = next(block.proto.body for block in at.get("html") if "of budget" in block.proto.body)
    assert all(image_id in strip for image_id in ids)
    at.button(key="stop_job").click().run()
    assert job.stopping
    ended(job)
    at.run()
    assert job.state == "cancelled"
    assert "stopped before the end and counted as not broken" in texts(at)
    assert not [button for button in at.button if button.key == "stop_job"]


def test_another_bundle_shows_nothing_of_a_running_attack_and_it_comes_back(
    digits_bundle: Bundle, digits_cache: Path
) -> None:
    other = digits_cache / "bundles" / "digits-two"
    shutil.copytree(digits_bundle.folder, other)
    manifest = json.loads((other / "manifest.json").read_text())
    (other / "manifest.json").write_text(json.dumps(manifest | {"name": "digits-two"}))
    try:
        at = opened(LAB, images=known(digits_bundle), engine="de", target="0", budget="1000000")
        at.button(key="start").click().run()
        job = job_of(at)
        at.selectbox(key="bundle").set_value("digits-two").run()
        assert not at.exception
        assert not [button for button in at.button if button.key == "stop_job"]
        assert not at.button(key="start").disabled
        at.selectbox(key="bundle").set_value("digits-cnn").run()
        assert "1 image chosen" in texts(at)
        at.button(key="stop_job").click().run()
        assert ended(job).state == "cancelled"
    finally:
        shutil.rmtree(other)


def test_the_gallery_filters_and_opens_an_attack(digits_bundle: Bundle) -> None:
    at = opened(LAB, source="gallery")
    assert not at.exception
    count = len(digits_bundle.gallery)
    assert f"{count} verified attacks, {count} of them on images" in texts(at)
    assert not components(at)
    at.query_params["gallery_tab"] = "Pixel by pixel"
    at.run()
    assert len(components(at)) == 1
    true = digits_bundle.gallery[0].true
    other = next(name for name in digits_bundle.classes if name != true)
    at.selectbox(key="gallery_true_digits-cnn").set_value(true).run()
    assert f"→ {digits_bundle.gallery[0].predicted_after}" in at.header[0].value
    assert again(at).header[0].value == at.header[0].value
    last = digits_bundle.gallery[-1]
    cell = "-".join(str(digits_bundle.class_index(c)) for c in (last.true, last.predicted_after))
    for link in ({"gallery_row": last.id}, {"gallery_cell": cell, "gallery_row": last.id}):
        found = opened(LAB, source="gallery", **link)
        assert found.header[0].value.startswith(last.id)
        assert again(found).header[0].value == found.header[0].value
    at.selectbox(key="gallery_after_digits-cnn").set_value(true).run()
    assert "No attack fits" in at.info[0].value, other


def test_a_gallery_image_that_is_elsewhere_is_one_sentence(
    digits_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = [replace(row, id=f"cifar10-test:{i}") for i, row in enumerate(digits_bundle.gallery)]
    monkeypatch.setattr(Bundle, "gallery", gone)
    monkeypatch.setenv("ND_DATA", "/nowhere")
    at = opened(LAB, source="gallery")
    assert not at.exception
    assert "0 of them on images" in texts(at)
    assert "No attack fits" in at.info[0].value
    at.toggle(key="gallery_here").set_value(False).run()
    assert not at.exception
    assert "get it with" in at.info[0].value


@pytest.mark.spec("AL-1")
@pytest.mark.usefixtures("digits_bundle")
def test_an_upload_can_be_driven_by_hand_and_sent_on() -> None:
    at = opened(LAB, source="upload", way="hand")
    assert "Choose an image, then click" in at.info[0].value
    at.file_uploader[0].upload("grey.png", GOOD["grey.png"]).run()
    identity = at.session_state["free_hand"][0]
    at.session_state["free_hand"] = (identity, Hand(colour=(255,)).take(Pick(1, 2, (255,), 1)))
    at.run()
    assert "row 1, column 2 → grey 255" in texts(at)
    at.button(key="free_to_detector").click().run()
    assert not at.exception
    assert not at.error
    assert at.title[0].value == "Divergence Detector"
    assert "Attacked image" in texts(at)


@pytest.mark.usefixtures("digits_bundle")
def test_the_current_pair_of_the_other_pages_is_shown_and_can_be_chosen() -> None:
    at = opened(EXPLORER.path, pair="digits:3")
    at.switch_page(LAB).run()
    assert not at.exception
    label = open_source("digits").labels[3]
    (told,) = (head.value for head in at.header)
    assert told.endswith(f"{label}, not attacked yet")
    assert "The example" not in texts(at)
    at.button(key="choose_current").click().run()
    assert "1 image chosen" in texts(at)
    assert linked(at, "images") == "digits:3"


def test_a_pair_chosen_elsewhere_after_an_attack_is_not_replaced_by_it(
    digits_bundle: Bundle,
) -> None:
    at = attacked(images=known(digits_bundle))
    result = linked(at, "pair")
    at.switch_page(EXPLORER.path).run()
    at.query_params["pair"] = "digits:3"
    at.run()
    at.switch_page(LAB).run()
    assert not at.exception
    assert linked(at, "pair") == "digits:3"
    assert any("not attacked yet" in head.value for head in at.header)
    at.button(key="open_again").click().run()
    assert linked(at, "pair") == result
    assert "confirmed in a plain float32 pass" in texts(at)
