"""The median of a pixel's neighbours, by hand."""

from __future__ import annotations

import numpy as np

from ndcore.data.neighbours import median_of_neighbours, pixel_outlier


def test_neighbours_at_borders_and_a_planted_pixel(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (2, 6, 5, 3)).astype(np.uint8)
    found = median_of_neighbours(pixels)
    for row, col in [(0, 0), (0, 2), (5, 4), (3, 2)]:
        block = pixels[1, max(0, row - 1) : row + 2, max(0, col - 1) : col + 2].reshape(-1, 3)
        at = [
            i
            for i, (r, c) in enumerate(
                (r, c)
                for r in range(max(0, row - 1), min(6, row + 2))
                for c in range(max(0, col - 1), min(5, col + 2))
            )
            if (r, c) != (row, col)
        ]
        assert found[1, row, col].tolist() == np.rint(np.median(block[at], axis=0)).tolist()
    flat = np.full((1, 6, 5, 3), 100, np.uint8)
    flat[0, 2, 4] = 255
    score, where = pixel_outlier(flat)
    assert (score[0], where[0].tolist()) == (155, [2, 4])
    assert pixel_outlier(np.zeros((1, 1, 1, 3), np.uint8))[0][0] == 0
