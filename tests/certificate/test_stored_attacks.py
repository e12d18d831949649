"""The proof on every attack that the shipped bundle keeps and whose image the tests have."""

from __future__ import annotations

import pytest

from ndcore.bundles.bundle import load_bundle
from ndcore.certificate import certify
from ndcore.certificate.one_pixel import alarm_on
from ndcore.data.neighbours import median_of_neighbours
from ndcore.networks.evaluator import evaluator_for


@pytest.mark.spec("CE-5")
def test_no_stored_attack_breaks_the_proof() -> None:
    bundle = load_bundle("cifar10-vgg16")
    evaluator = evaluator_for(bundle.model, bundle.shape, "float32")
    rows = [row for row in bundle.gallery if row.id.startswith("samples:")]
    assert rows
    for row in rows:
        pair = row.look_up()
        (pixel,) = row.pixels
        at = pixel.row, pixel.col
        benign, attacked = pair.images
        repaired = [median_of_neighbours(image[None])[0][at].tolist() for image in pair.images]
        assert repaired[0] == repaired[1]
        before, after = evaluator.plain(benign[None]), evaluator.plain(attacked[None])
        assert before.argmax() != after.argmax()
        # Only what is not certified may pass.
        if not alarm_on(evaluator, attacked, at):
            assert not certify(bundle.model, benign[None])[0].certified
