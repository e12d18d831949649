"""A pair of images as the text of a link, and back."""

from __future__ import annotations

import numpy as np
import pytest

from ndcore.data.pairs import Pair
from ndcore.errors import BadRequestError, DataError


def test_a_token_restores_the_pair(pair: Pair) -> None:
    again = Pair.from_token(pair.token(), (8, 8, 1))
    assert again.image_id == pair.image_id
    assert again.label == pair.label
    assert np.array_equal(again.benign, pair.benign)
    assert again.attacked is not None
    assert np.array_equal(again.attacked, pair.attacked)
    assert again.changes == pair.changes
    assert len(pair.changes) == 1


def test_a_colour_token_and_a_natural_image() -> None:
    pair = Pair.from_token("samples:3~12.7.ff00aa", (32, 32, 3))
    assert pair.attacked is not None
    assert pair.attacked[12, 7].tolist() == [255, 0, 170]
    assert pair.token() == "samples:3~12.7.ff00aa"
    natural = Pair.from_token("samples:4", (32, 32, 3))
    assert natural.attacked is None
    assert natural.changes == ()
    assert Pair("", natural.benign).token() == ""


@pytest.mark.parametrize(
    "token",
    ["", "samples:3~", "samples:3~1.2", "samples:3~1.2.zz", "samples:3~40.2.ffffff",
     "samples:3~1.2.ff", "../../etc/passwd", "samples:<b>", "samples:3~1.2.ffffffff"],
)  # fmt: skip
def test_damaged_tokens_are_refused(token: str) -> None:
    with pytest.raises((BadRequestError, DataError)):
        Pair.from_token(token, (32, 32, 3))


def test_a_pair_of_another_shape_is_refused() -> None:
    with pytest.raises(DataError, match="the model takes"):
        Pair.from_token("digits:3", (32, 32, 3))
