"""Every verdict on the page tells what is proven of its image, and so does the case file."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.certificate import certify
from ndcore.cli import main
from ndcore.data.pairs import Pair
from ndcore.figures.detector.certificate import proven_words
from pages.ui.elements.certificate import known_certificate
from tests.ui import opened, texts


@pytest.mark.spec("CE-1", "CE-3")
def test_both_images_of_a_pair_have_their_line(digits_bundle: Bundle, pair: Pair) -> None:
    at = opened("pages/3_Divergence_Detector.py", pair=pair.token())
    for _ in range(600):
        assert not at.exception
        if texts(at).count("roven] ") == 2:
            break
        time.sleep(0.05)
        at.run()
    told = texts(at)
    assert pair.attacked is not None
    for pixels in (pair.benign, pair.attacked):
        (found,) = certify(digits_bundle.model, pixels[None])
        assert known_certificate(digits_bundle, pixels) == found
        if found.certified:
            assert f"every repair leads by at least {found.margin:.3g}" in told
        else:
            assert f"badge[Not proven] {found.why}" in told


@pytest.mark.spec("CE-5")
def test_the_page_begins_with_what_is_proven(twin: Path) -> None:
    assert "**Proven**" not in texts(opened("pages/3_Divergence_Detector.py", bundle="twin"))
    assert main(["certify", "--source", "digits", "--n", "3", "--ship", "--bundle", "twin"]) == 0
    found = load_bundle("twin").certificates["evaluation"]["summary"]
    at = opened("pages/3_Divergence_Detector.py", bundle="twin")
    assert not at.exception
    assert proven_words(found, found) in texts(at)
