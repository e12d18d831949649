"""Images that tests of people's own models look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SHAPE = (12, 12, 3)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise with a colour cast per class, 16 lossless images of each of three."""
    root, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for label, name in enumerate(("cat", "dog", "ship")):
        (root / name).mkdir()
        for i in range(16):
            pixels = rng.integers(0, 256, SHAPE).astype(np.uint8)
            pixels[..., label] //= 2
            Image.fromarray(pixels).save(root / name / f"{i:02d}.png")
    return root
