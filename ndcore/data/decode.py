"""8-bit images: bytes from anyone -> pixels of the model's shape, and pixels -> PNG."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ndcore.errors import BadImageError

__all__ = ["Decoded", "decode", "encode_png", "encode_webp"]

MAX_PIXELS = 40_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")


@dataclass(frozen=True)
class Decoded:
    """Pixels uint8 (H, W, C) and, in words, what was altered on the way in."""

    pixels: NDArray[np.uint8]
    notes: tuple[str, ...]


def decode(data: bytes, shape: tuple[int, int, int] | None, name: str = "the file") -> Decoded:
    """Read a PNG, JPEG, WebP or BMP file.

    Args:
        data: the file's bytes.
        shape: (H, W, C) wanted, C = 1 or 3; None keeps the file's size with C = 3.
        name: what error messages call the file.

    Returns:
        The first frame, alpha laid over white, reduced to 8 bits and resized; each alteration is
        one sentence in `notes`.

    Raises:
        BadImageError: empty, truncated, too large or no image.
    """
    if not data:
        raise BadImageError(f"{name} is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise BadImageError(f"{name} is too large: over {MAX_PIXELS:,} pixels") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise BadImageError(f"{name} is not a PNG, JPEG, WebP or BMP image") from error
    if image.width * image.height > MAX_PIXELS:
        raise BadImageError(
            f"{name} is too large: {image.width}x{image.height} is over {MAX_PIXELS:,} pixels"
        )
    try:
        notes: list[str] = []
        frames = getattr(image, "n_frames", 1)
        if frames > 1:
            notes.append(f"Only the first of {frames} frames is used.")
            image.seek(0)
        image.load()
        flat = _to_8_bit(image, notes)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise BadImageError(f"{name} is truncated or damaged") from error
    return Decoded(_to_shape(flat, shape, notes), tuple(notes))


def encode_png(pixels: NDArray[np.uint8], scale: int = 1) -> bytes:
    """PNG bytes of pixels uint8 (H, W, C), C = 1 or 3, enlarged `scale` times without blur."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    if scale > 1:
        size = (image.width * scale, image.height * scale)
        image = image.resize(size, Image.Resampling.NEAREST)
    out = io.BytesIO()
    image.save(out, format="PNG")
    return out.getvalue()


def encode_webp(pixels: NDArray[np.uint8], quality: int = 90) -> bytes:
    """WebP bytes of pixels uint8 (H, W, C), C = 1 or 3; lossy, so much smaller than PNG."""
    out = io.BytesIO()
    # WebP has no grey.
    colour = np.repeat(pixels, 3, axis=2) if pixels.shape[-1] == 1 else pixels
    Image.fromarray(colour).save(out, format="WEBP", quality=quality)
    return out.getvalue()


def _to_8_bit(image: Image.Image, notes: list[str]) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        notes.append("The file has more than 8 bits per channel; it was reduced to 8.")
        values = np.asarray(image, np.float64)
        reduced = np.clip(np.rint(values / 257), 0, 255).astype(np.uint8)
        return Image.fromarray(reduced).convert("RGB")
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        if rgba.getchannel("A").getextrema() != (255, 255):
            notes.append("Transparent parts were laid over white.")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _to_shape(
    image: Image.Image, shape: tuple[int, int, int] | None, notes: list[str]
) -> NDArray[np.uint8]:
    if shape is None:
        return np.array(image, np.uint8)
    height, width, channels = shape
    if image.size != (width, height):
        notes.append(
            f"The image was resized from {image.width}x{image.height} to {width}x{height} pixels."
        )
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    if channels == 1:
        return np.expand_dims(np.array(image.convert("L"), np.uint8), -1)
    return np.array(image, np.uint8)  # a copy of its own, which torch can write to
