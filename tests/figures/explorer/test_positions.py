"""An activation map on its image: ring, frame and diamond lie where they should."""

from __future__ import annotations

import re
from base64 import b64decode

import numpy as np
import pytest

from ndcore.activations.maps import Peak
from ndcore.activations.receptive import ReceptiveField, grid_of
from ndcore.figures.explorer.positions import position_map


def drawing(markup: str) -> str:
    found = re.search(r"data:image/svg\+xml;base64,([\w+/=]+)", markup)
    assert found is not None
    return b64decode(found[1]).decode()


@pytest.mark.parametrize("channels", [1, 3])
def test_the_picture_has_map_ring_frame_and_diamond(channels: int) -> None:
    pixels = np.full((32, 32, channels), 90, np.uint8)
    values = np.arange(256, dtype=np.float32).reshape(16, 16)
    grid = grid_of((16, 16), (32, 32), ReceptiveField(-4, 10, 2))
    markup = position_map(
        pixels, values, grid, Peak(255, 15, 15), scale=(0, 255), label='a "b"', changed=[(3, 4)]
    )
    assert 'alt="a &quot;b&quot;"' in markup
    svg = drawing(markup)
    assert svg.count("<image") == 2
    assert 'x="0" y="0" width="32" height="32"' in svg
    assert svg.count('cx="31" cy="31"') == 2, "the middle of the last cell of 2 x 2 pixels"
    assert svg.count("<rect") == 2
    assert svg.count("<polygon") == 1
    plain = drawing(
        position_map(
            pixels, 0 * values, grid_of((16, 16), (32, 32), None), None, scale=(0, 0), label=""
        )
    )
    assert "<circle" not in plain
    assert "<rect" not in plain
