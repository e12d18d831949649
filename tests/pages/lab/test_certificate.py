"""Beside the map, which tries a grid, stands what is proven for every colour."""

from __future__ import annotations

import time

import pytest

from ndcore.bundles.bundle import Bundle
from ndcore.certificate import certify
from pages.ui.elements.certificate import known_certificate
from tests.ui import captions, ended, job_of, opened, texts


@pytest.mark.spec("CE-2")
def test_the_map_has_its_certificate_beside_it(digits_bundle: Bundle) -> None:
    row = digits_bundle.gallery[0]
    at = opened("pages/1_Attack_Lab.py", images=row.id, engine="exhaustive")
    at.button(key="start").click().run()
    ended(job_of(at))
    for _ in range(600):
        at.run()
        assert not at.exception
        if "badge[Proven]" in texts(at) or "badge[Not proven]" in texts(at):
            break
        time.sleep(0.05)
    benign = row.look_up().benign
    (found,) = certify(digits_bundle.model, benign[None])
    assert known_certificate(digits_bundle, benign) == found
    told = "badge[Proven]" if found.certified else "badge[Not proven]"
    assert told in texts(at)
    assert "What is proven, for every colour" in texts(at)
    assert ("could pass, dotted" in captions(at)) == bool(found.holes)
