"""A row of the gallery: as in its file, and the attack made again."""

from __future__ import annotations

import json

import numpy as np

from ndcore.bundles.bundle import Bundle
from ndcore.data.gallery_row import GalleryRow


def test_a_row_is_what_its_file_holds(digits_bundle: Bundle) -> None:
    text = (digits_bundle.folder / "gallery.json").read_text()
    assert [row.to_dict() for row in digits_bundle.gallery] == json.loads(text)


def test_the_attack_is_made_again(digits_bundle: Bundle) -> None:
    row = digits_bundle.gallery[0]
    pair = row.look_up()
    assert pair.image_id == row.id
    assert pair.changes == row.pixels
    answers = digits_bundle.read(np.stack(pair.images)).predicted.tolist()
    assert [digits_bundle.classes[label] for label in answers] == [name for name, _ in row.answers]
    assert row.answers[0][0] == row.true == digits_bundle.classes[pair.label]


def test_a_row_of_an_older_bundle_does_not_say_how_it_was_made(digits_bundle: Bundle) -> None:
    row = digits_bundle.gallery[0].to_dict()
    older = {key: row[key] for key in row if key not in ("engine", "seed", "first_hit")}
    found = GalleryRow.from_dict(older)
    assert (found.engine, found.seed, found.first_hit) == (None, None, None)
