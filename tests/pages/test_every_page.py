"""Every page by AppTest: cold (no bundle), warm (digits), bad links, bad uploads."""

from __future__ import annotations

from pathlib import Path

import pytest

from ndcore.analysis.story import tell
from ndcore.bundles.bundle import Bundle
from ndcore.data.pairs import Pair
from ndcore.detectors import load_detector
from ndcore.detectors.repair import repair
from ndcore.networks.evaluator import evaluator_for
from pages.ui.elements.tiles import tile_key
from pages.ui.frame import loaders
from pages.ui.frame.page_list import DETECTOR, EXPLORER, LAB, PAGES
from pages.ui.frame.story_banner import STEPS
from pages.ui.frame.words import verdict_sentence
from pages.ui.images.picker import TILES
from tests.ui import BAD, GOOD, captions, components, ended, job_of, linked, opened, texts

ROOT = Path(__file__).resolve().parents[2]
PATHS = ["Home.py", *(page.path for page in PAGES)]


@pytest.mark.spec("UX-6")
@pytest.mark.parametrize("page", PATHS)
@pytest.mark.usefixtures("empty_cache")
def test_without_a_bundle_a_page_says_what_to_do(page: str) -> None:
    at = opened(page)
    assert not at.exception
    assert "python -m ndcore build digits-cnn" in at.info[0].value


@pytest.mark.parametrize("page", PATHS)
@pytest.mark.usefixtures("digits_bundle")
def test_with_a_bundle_a_page_opens(page: str) -> None:
    at = opened(page)
    assert not at.exception
    assert not at.error
    assert at.title[0].value
    assert "held-out images" in texts(at)


@pytest.mark.parametrize("page", PATHS)
def test_with_the_shipped_bundle_a_page_opens(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ND_CACHE", raising=False)
    at = opened(page, bundle="cifar10-vgg16", pair="samples:0~10.21.223300")
    assert not at.exception
    assert not at.error
    assert at.selectbox(key="bundle").value == "cifar10-vgg16"


@pytest.mark.spec("UX-7")
@pytest.mark.parametrize("page", PATHS)
@pytest.mark.usefixtures("digits_bundle")
def test_a_damaged_bundle_is_one_sentence(page: str, digits_cache: Path) -> None:
    path = digits_cache / "bundles" / "digits-cnn" / "gallery.json"
    kept = path.read_bytes()
    try:
        path.write_bytes(kept + b" ")
        at = opened(page)
        assert not at.exception
        assert "damaged" in at.error[0].value
    finally:
        path.write_bytes(kept)


@pytest.mark.spec("AL-7", "AL-11", "ND-18")
def test_attack_runs_shows_its_result_and_hands_the_pair_on(digits_bundle: Bundle) -> None:
    known = digits_bundle.gallery[0].id
    at = opened(LAB.path, images=known)
    assert at.checkbox(key=tile_key(TILES, known)).value
    at.button(key="start").click().run()
    job = ended(job_of(at))
    at.run()
    assert not at.exception
    assert job.state == "done"
    (attacked,) = (result.attacked for result in job.result.results)
    assert "became a" in at.header[0].value
    assert "confirmed in a plain float32 pass" in texts(at)
    at.switch_page(DETECTOR.path).run()
    assert not at.exception
    detector = load_detector(digits_bundle, at.selectbox(key="detector").value)
    (verdict,) = detector.detect(attacked[None], at.select_slider(key="alpha").value / 100)
    label = digits_bundle.classes[verdict.predicted]
    assert verdict_sentence(label, "attacked", verdict) in texts(at)


def test_stop_keeps_the_job_and_says_so(digits_bundle: Bundle) -> None:
    at = opened(LAB.path)
    for box in at.checkbox[:5]:
        box.check()
    at.run()
    at.button(key="start").click().run()
    job = job_of(at)
    job.cancel()
    ended(job)
    at.run()
    assert not at.exception
    assert job.state == "cancelled"


def test_explorer_draws_the_pair_and_tells_the_story(digits_bundle: Bundle, pair: Pair) -> None:
    at = opened(EXPLORER.path, pair=pair.token())
    assert not at.exception
    assert not at.error
    assert len(components(at)) == 1
    at.button(key="story_2").click().run()
    assert not at.exception
    assert tell(digits_bundle, pair)[1].plain in texts(at)
    assert at.session_state["explorer_view"][1].sort == "attacked"
    assert not at.session_state["show_benign"]


def test_explorer_link_restores_layers_classes_and_marks(digits_bundle: Bundle) -> None:
    at = opened(
        EXPLORER.path,
        layers="block1_conv1",
        classes="3,7",
        marks="block1_conv1:2,5;nonsense:1",
    )
    assert not at.exception
    assert at.session_state["pills_layers"] == ["block1_conv1"]
    assert at.session_state["pills_classes"] == ["3", "7"]
    assert at.session_state["explorer_view"][1].marks == {"block1_conv1": (2, 5)}


@pytest.mark.parametrize("name", ["wasserstein", "surprisal"])
def test_detector_judges_the_pair(digits_bundle: Bundle, pair: Pair, name: str) -> None:
    at = opened(DETECTOR.path, pair=pair.token(), detector=name)
    assert not at.exception
    assert not at.error
    told = texts(at)
    assert "Benign image" in told
    assert "Attacked image" in told
    assert "About attacks a score guarantees nothing" in told
    at.select_slider(key="alpha").set_value(0.5).run()
    assert "too few" in texts(at)


@pytest.mark.spec("DD-4")
def test_detector_finds_the_pixel_that_carries_the_prediction(
    digits_bundle: Bundle, pair: Pair
) -> None:
    at = opened(DETECTOR.path, pair=pair.token())
    assert "without the pixel at" not in texts(at)
    at.button(key="suspect").click().run()
    assert not at.exception
    told = texts(at)
    assert told.count("without the pixel at row") == 2
    places = [(change.row, change.col) for change in pair.changes]
    evaluator = evaluator_for(digits_bundle.model, digits_bundle.shape)
    suspect = tuple(repair(evaluator, pair.attacked[None]).suspect[0].tolist())
    words = "the pixel that was changed" if suspect in places else "not the changed pixel"
    assert f"It is {words}." in told
    at.session_state["suspect_1_table"] = True
    at.run()
    frame = next(f.value for f in at.dataframe if "probability lost" in f.value.columns)
    assert frame["log-odds lost"].is_monotonic_decreasing
    label = digits_bundle.classes[int(digits_bundle.read(pair.benign[None]).predicted[0])]
    assert f"the probability of {label} falls by" in told


@pytest.mark.spec("UX-7")
@pytest.mark.parametrize("page", [EXPLORER.path, DETECTOR.path])
@pytest.mark.parametrize(
    "token", ["digits:99999", "nothing:1", "digits:1~99.99.ff", "digits:1~x", "../etc", "%00"]
)
@pytest.mark.usefixtures("digits_bundle")
def test_a_bad_link_is_one_sentence(page: str, token: str) -> None:
    at = opened(page, pair=token)
    assert not at.exception
    assert len(at.error) == 1
    assert "The pair in the link cannot be shown" in at.error[0].value


@pytest.mark.spec("UX-7")
@pytest.mark.parametrize("page", [LAB.path, DETECTOR.path])
@pytest.mark.parametrize("name", [*BAD, *GOOD])
@pytest.mark.usefixtures("digits_bundle")
def test_uploads(page: str, name: str) -> None:
    at = opened(page, source="upload", judge="upload")
    at.file_uploader[0].upload(name, (BAD | GOOD)[name]).run()
    assert not at.exception
    if name in BAD:
        assert len(at.error) == 1
        assert name in at.error[0].value
    else:
        assert not at.error
        assert "The model sees" in texts(at)


@pytest.mark.usefixtures("digits_bundle")
def test_detector_judges_a_natural_image() -> None:
    at = opened(DETECTOR.path)
    at.session_state["judge"] = "digits"
    at.run()
    at.number_input(key="image_digits").set_value(7).run()
    assert not at.exception
    assert "digits:7" in texts(at)
    assert "Benign image" in texts(at)


@pytest.mark.spec("DD-3")
@pytest.mark.usefixtures("digits_bundle")
def test_too_few_calibration_images_come_with_no_false_promise() -> None:
    at = opened(DETECTOR.path)
    at.session_state["judge"] = "digits"
    at.session_state["alpha"] = 0.5
    at.run()
    assert not at.exception
    assert "takes at least 199 calibration images" in texts(at)
    assert "0.0% and 0.0%" not in texts(at)


@pytest.mark.spec("UX-1")
@pytest.mark.usefixtures("digits_bundle")
def test_home_starts_the_story_with_an_image() -> None:
    at = opened("Home.py")
    at.button(key="go").click().run()
    assert not at.exception
    ticked = [box for box in at.checkbox if box.value]
    assert len(ticked) == 1


@pytest.mark.spec("UX-1")
def test_home_says_what_each_page_answers_and_what_is_ready(digits_bundle: Bundle) -> None:
    at = opened("Home.py")
    told = texts(at)
    for question in (
        "Can one pixel fool this network?",
        "What happened inside?",
        "Could it have been noticed?",
        "How did it come to see so?",
        "Which neurons carry a class?",
    ):
        assert question in told
    assert "Ready: digits-cnn" in told
    found = {metric.label: metric.value for metric in at.metric}
    accuracy = digits_bundle.manifest["accuracy"]["accuracy"]
    assert found["Held-out accuracy"] == f"{100 * accuracy:.1f}%"
    assert found["Verified attacks"] == str(len(digits_bundle.gallery))


@pytest.mark.spec("UX-2")
def test_bundle_and_pair_follow_from_page_to_page(digits_bundle: Bundle, pair: Pair) -> None:
    layers = digits_bundle.layers[:1]
    at = opened(EXPLORER.path, pair=pair.token(), classes="3,7", layers=",".join(layers))
    at.switch_page(DETECTOR.path).run()
    assert not at.exception
    assert linked(at, "pair") == pair.token()
    assert "Attacked image" in texts(at)
    at.switch_page(EXPLORER.path).run()
    assert linked(at, "pair") == pair.token()
    assert at.session_state["pills_layers"] == list(layers)
    assert at.session_state["pills_classes"] == ["3", "7"]


@pytest.mark.spec("UX-6")
@pytest.mark.parametrize("page", [EXPLORER.path, DETECTOR.path])
def test_a_page_opened_first_shows_the_example(page: str, pair: Pair) -> None:
    at = opened(page)
    assert not at.exception
    assert linked(at, "pair") == pair.token()
    assert "The example" in texts(at)
    assert "No pair is chosen" not in texts(at)
    other = opened(page, pair="digits:3")
    assert linked(other, "pair") == "digits:3"
    assert "The example" not in texts(other)


@pytest.mark.usefixtures("digits_bundle")
def test_the_example_that_was_taken_away_stays_away() -> None:
    at = opened(EXPLORER.path)
    at.button(key="remove_1").click().run()
    assert linked(at, "pair") == "-"
    assert "No image is chosen" in texts(at)
    at.switch_page(DETECTOR.path).run()
    assert linked(at, "pair") == "-"
    assert "No pair is chosen" in texts(at)


def test_the_lab_shows_a_finished_attack_until_there_is_one(digits_bundle: Bundle) -> None:
    row = digits_bundle.gallery[0]
    at = opened(LAB.path)
    assert "The example" in texts(at)
    assert f"Attacked: {row.predicted_after} {100 * row.confidence_after:.1f}%" in captions(at)


@pytest.mark.usefixtures("digits_bundle")
def test_a_running_job_stands_on_every_page() -> None:
    at = opened(LAB.path)
    job = loaders.jobs().submit(
        lambda job: job._stop.wait(30), label="attack on 1 image", kind="job", about="digits-cnn"
    )
    at.session_state["kept_job"] = [job.id]
    at.switch_page(EXPLORER.path).run()
    links = [link.proto.label for link in at.sidebar.get("page_link")]
    assert links == ["attack on 1 image · Attack Lab"]
    job.cancel()
    ended(job)
    # What ended elsewhere stays until its page is opened.
    assert [link.proto.label for link in at.run().sidebar.get("page_link")] == links
    at.switch_page(LAB.path).run()
    assert not at.switch_page(EXPLORER.path).run().sidebar.get("page_link")


@pytest.mark.spec("UX-1")
@pytest.mark.usefixtures("digits_bundle")
def test_the_story_leads_from_page_to_page_until_it_is_closed() -> None:
    at = opened("Home.py")
    at.button(key="go").click().run()
    for step in range(1, len(STEPS) + 1):
        assert not at.exception
        assert linked(at, "story") == str(step)
        assert f"Step {step} of 4" in texts(at)
        if step < len(STEPS):
            at.button(key="story_next").click().run()
    at.switch_page(EXPLORER.path).run()
    assert linked(at, "story") == "2"
    at.button(key="story_close").click().run()
    assert "story" not in at.query_params
    assert "Step" not in texts(at)
    assert not opened(EXPLORER.path, story="2").warning
    assert "which there is not" in opened(EXPLORER.path, story="9").warning[0].value
