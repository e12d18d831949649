from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from ndcore.data.decode import small_png
from ndcore.data.pixels import smaller


def test_a_smaller_image_has_the_means_of_squares(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (12, 9, 3), dtype=np.uint8)
    found = smaller(pixels, 3).astype(int)
    theirs = np.asarray(Image.fromarray(pixels).reduce(3)).astype(int)
    assert found.shape == (4, 3, 3)
    assert np.abs(found - theirs).max() <= 1  # halves are rounded the one way or the other
    assert smaller(np.array([[[0], [4], [9]], [[4], [4], [9]]], np.uint8), 2).tolist() == [[[3]]]
    assert np.array_equal(smaller(pixels[..., :1], 1), pixels[..., :1])


@pytest.mark.parametrize(("side", "shown"), [(8, 64), (60, 60), (224, 74), (500, 71)])
def test_a_thumbnail_is_about_as_large_as_asked_whatever_the_image(side: int, shown: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side + 3, 3)).astype(np.uint8)
    found = Image.open(io.BytesIO(small_png(pixels, 64)))
    assert min(found.size) == shown
