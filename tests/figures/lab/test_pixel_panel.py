"""Pixels packed for the canvas read back."""

from __future__ import annotations

import json
import struct

import numpy as np

from ndcore.figures.lab.pixel_panel import opaque, pack_pixels


def test_packed_pixels_read_back() -> None:
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    message = pack_pixels(opaque(image), {"stamp": 3})
    length = struct.unpack_from("<I", message)[0]
    header = json.loads(message[4 : 4 + length])
    assert header == {"stamp": 3, "height": 2, "width": 3}
    colours = np.frombuffer(message, np.uint8, offset=4 + length).reshape(2, 3, 4)
    np.testing.assert_array_equal(colours[..., :3], image)
    assert (colours[..., 3] == 255).all()


def test_a_grey_image_is_grey_in_all_three_channels() -> None:
    image = np.array([[[7], [200]]], np.uint8)
    np.testing.assert_array_equal(opaque(image)[0], [[7, 7, 7, 255], [200, 200, 200, 255]])
