"""The server is killed while it works: what was found shows under its link, and can go on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ndcore.analysis.natural_errors import BATCH, find_errors, held_out
from ndcore.attacks import AttackConfig
from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.data.batch import Choice
from ndcore.data.catalog import open_source
from ndcore.data.pairs import Pair
from ndcore.data.pixels import image_key
from ndcore.jobs import Job
from ndcore.jobs.shelf import Shelf
from ndcore.study.calibrated import Detectors
from ndcore.study.incoming import draw
from ndcore.tasks.attack import AttackJob
from ndcore.tasks.certificates import CertifyJob
from ndcore.tasks.comparison import ComparisonJob
from ndcore.tasks.natural_errors import ErrorSearch
from ndcore.tasks.opened import Work
from ndcore.tasks.triage import TriageJob
from pages.ui.frame import loaders
from pages.ui.frame.page_list import DETECTOR, LAB
from tests.ui import ended, job_of, opened, texts

MANY = {"detector_tab": "Many images", "triage_images": "digits"}


class KilledError(BaseException):
    """The process is gone: nothing is told any more."""


Kill = Callable[..., Job]


@pytest.fixture
def kill(tmp_path: Path) -> Kill:
    """Does some work until it has found so much, and is killed then."""

    def killed(kind: str, about: object, work: Work, parts: int, *on: Bundle) -> Job:
        class Mortal(Job):
            left = parts

            def add(self, part: Any) -> None:
                if not self.left:
                    raise KilledError
                self.left -= 1
                super().add(part)

        job = Mortal(kind, 600, kind=kind, about=about)
        job.keeper = Shelf(tmp_path / "jobs")
        with pytest.raises(KilledError):
            work.do(job, *map(Detectors, on))
        return job

    return killed


@pytest.mark.spec("LB-1", "LB-2")
def test_triage(kill: Kill, digits_bundle: Bundle) -> None:
    images = draw(digits_bundle, open_source("digits"), 70)
    detectors = Detectors(digits_bundle)
    part = detectors.open(detectors.usual).batch
    assert part < 70
    work = TriageJob("digits", detectors.usual, images, {})
    job = kill("triage", digits_bundle.weight_hash, work, 1, digits_bundle)
    at = opened(DETECTOR.path, triage=job.id, **MANY)
    assert not at.exception
    assert f"{part} of 70 judged" in texts(at)
    assert "the server ended meanwhile" in texts(at)


@pytest.mark.spec("LB-1", "LB-2")
def test_certificates_go_on(kill: Kill, digits_bundle: Bundle) -> None:
    images = draw(digits_bundle, open_source("digits"), 3)
    about = image_key(digits_bundle.weight_hash, images.pixels)
    job = kill("certify", about, CertifyJob(images), 2, digits_bundle)
    link = MANY | {"triage_n": "3", "triage_gallery": "0"}
    at = opened(DETECTOR.path, certify=job.id, **link)
    assert not at.exception
    assert "2 of 3 images; stopped before the end." in texts(at)
    assert at.button(key="certify_start").label == "Certify 1 more image"
    at.button(key="certify_start").click().run()
    assert len(ended(job_of(at, "certify")).result.found) == 3
    # Uploaded images are gone with the server; those that were certified are kept with the job.
    at = opened(DETECTOR.path, certify=job.id, **MANY | {"triage_images": "upload"})
    assert "2 of 3 images; stopped before the end." in texts(at)


@pytest.mark.spec("LB-1", "LB-2")
def test_a_search_for_errors_goes_on(kill: Kill, digits_bundle: Bundle) -> None:
    source = open_source("digits")
    members = held_out(digits_bundle, source)
    job = kill("error-search", "x", ErrorSearch("digits", members), 1, digits_bundle)
    kept = loaders.jobs().get(job.id)
    assert kept is not None
    assert (kept.state, kept.result.read) == ("cancelled", BATCH)
    again = ErrorSearch("digits", members)
    again.add((kept.result.read, kept.result.found))
    again.do(Job("", 600), Detectors(digits_bundle))
    assert again.errors == find_errors(digits_bundle, source)


@pytest.mark.usefixtures("twin")
def test_a_comparison_goes_on(kill: Kill, tmp_path: Path) -> None:
    pair = [load_bundle(name) for name in ("digits-cnn", "twin")]
    source = open_source("digits")
    choice = Choice.of(source, range(4), names=source.ids[:4])
    attack = Job("", 600, kind="job", about="digits-cnn")
    attack.keeper = Shelf(tmp_path / "jobs")
    attacked = AttackJob(choice, AttackConfig("fast", max_queries=40))
    attack.run(lambda job: attacked.do(job, Detectors(pair[0])))
    about = (pair[0].weight_hash, "twin", attack.id)
    job = kill("compare", about, ComparisonJob(attacked), 1, *pair)
    link = {"bundle": "digits-cnn", "images": "digits:0-3"}
    at = opened(LAB.path, job=attack.id, compare=job.id, second="twin", **link)
    assert not at.exception
    assert "1 of 4 images attacked in twin" in texts(at)
    assert at.button(key="start_compare").label == "Go on"
    at.button(key="start_compare").click().run()
    document = ended(job_of(at, "compare")).result.document
    assert [row["broken"][0] for row in document["images"]] == [
        row["broken"][1] for row in document["images"]
    ]
    at.run()
    assert "in digits-cnn alone 0, in twin alone 0" in texts(at)


def test_what_one_image_showed_is_there_after_a_restart(pair: Pair) -> None:
    """The clamp and the pairs of blocks: jobs on a single image."""
    link = {"pair": pair.token(), "pairs_box": "1", "pairs_block": "4"}
    at = opened(DETECTOR.path, **link)
    for button, kind in (("clamp", "clamp"), ("pairs_start", "pairs")):
        at.button(key=button).click().run()
        assert ended(job_of(at, kind)).state == "done"
    ids = {kind: job_of(at, kind).id for kind in ("clamp", "pairs")}
    loaders.jobs().shutdown()
    loaders.jobs.clear()
    at = opened(DETECTOR.path, **link, **ids)
    assert not at.exception
    assert "The price on" in texts(at)
    assert "for two pixels" in texts(at)
