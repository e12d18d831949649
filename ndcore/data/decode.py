"""8-bit images: bytes from anyone -> pixels of the model's shape, and pixels -> PNG."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ndcore.errors import BadImageError

ORIENTATION = 0x112  # EXIF's entry, and what each of its values asks for
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ON_ITS_SIDE = (5, 6, 7, 8)
MAX_PIXELS = 40_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
FILE_FORMATS = (*FORMATS, "TIFF", "PPM")  # of files on this machine, which nobody sends
DEEP = "The file has more than 8 bits per channel; it was reduced to 8."


@dataclass(frozen=True)
class Decoded:
    """Pixels uint8 (H, W, C) and, in words, what was altered on the way in."""

    pixels: NDArray[np.uint8]
    notes: tuple[str, ...]


def decode(
    data: bytes,
    shape: tuple[int, int, int] | None,
    name: str = "the file",
    formats: tuple[str, ...] = FORMATS,
    crop: float | None = None,
) -> Decoded:
    """Read a PNG, JPEG, WebP or BMP file.

    Args:
        data: the file's bytes.
        shape: (H, W, C) wanted, C = 1 or 3; None keeps the file's size with C = 3.
        name: what error messages call the file.
        formats: Pillow's names of those that are read.
        crop: share in (0, 1] of which the middle is kept, instead of squeezing it into the shape;
            an image of that very size is left as it is.

    Returns:
        The first frame, turned upright, alpha laid over white, reduced to 8 bits and resized; each
        alteration is one sentence in `notes`.

    Raises:
        BadImageError: empty, truncated, too large or no image.
    """
    if not data:
        raise BadImageError(f"{name} is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image: Image.Image = Image.open(io.BytesIO(data), formats=formats)
    except Image.DecompressionBombError as error:
        raise BadImageError(f"{name} is too large: over {MAX_PIXELS:,} pixels") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise BadImageError(f"{name} is not a PNG, JPEG, WebP or BMP image") from error
    if image.width * image.height > MAX_PIXELS:
        raise BadImageError(
            f"{name} is too large: {image.width}x{image.height} is over {MAX_PIXELS:,} pixels"
        )
    if image.mode == "F":
        raise BadImageError(f"{name} holds floating-point values, which are no colours")
    try:
        notes: list[str] = []
        frames = getattr(image, "n_frames", 1)
        if frames > 1:
            notes.append(f"Only the first of {frames} frames is used.")
            image.seek(0)
        image.load()
        flat = _upright(image, _to_8_bit(image, data, notes), notes)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise BadImageError(f"{name} is truncated or damaged") from error
    if shape is not None and crop is not None and flat.size != shape[1::-1]:
        flat = _middle(flat, shape, crop, name, notes)
    return Decoded(_to_shape(flat, shape, notes), tuple(notes))


def upright_size(path: Path) -> tuple[int, int] | None:
    """(H, W) of an image file as `decode` gives it, by its head; None where that is damaged."""
    try:
        with Image.open(path, formats=FILE_FORMATS) as image:
            # Pillow turns TIFF by itself. Without an entry in the head it would read a whole file.
            told = image.format != "TIFF" and "exif" in image.info
            turn = image.getexif().get(ORIENTATION, 1) if told else 1
            return image.size if turn in ON_ITS_SIDE else image.size[::-1]
    except Exception:  # whoever reads it says what is wrong
        return None


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


def _to_8_bit(image: Image.Image, data: bytes, notes: list[str]) -> Image.Image:
    values = _all_16_bits(image, data)
    if values is not None:
        notes.append(DEEP)
        image = _reduced(values, image.info.get("transparency"))
    elif _deep_colour(image, data):
        notes.append(DEEP)
    elif image.format == "PNG" and image.mode == "L" and "transparency" in image.info:
        # Pillow spreads grey of 2 or 4 bits over 8, but not the grey that stands for nothing.
        image.info["transparency"] *= 255 // (2 ** data[24] - 1)
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        seen = rgba.getchannel("A").getextrema()
        if seen == (0, 0) and image.format == "BMP":
            notes.append("An alpha channel that hides the whole image was left out.")
            return rgba.convert("RGB")
        if seen == (0, 0):
            notes.append("The whole image is transparent; it was laid over white.")
        elif seen != (255, 255):
            notes.append("Transparent parts were laid over white.")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _deep_colour(image: Image.Image, data: bytes) -> bool:
    """Whether a file has 16 bits per channel, of which Pillow gives the upper 8."""
    if image.format == "PNG":
        return data[24] == 16
    return image.format == "TIFF" and max(image.tag_v2.get(258, (8,))) > 8  # type: ignore[attr-defined]


def _all_16_bits(image: Image.Image, data: bytes) -> NDArray[np.float64] | None:
    """Values (H, W) or (H, W, C) of more than 8 bits; None where there are none, or Pillow gives
    the upper 8 alone."""
    if image.mode.startswith("I"):
        return np.asarray(image, np.float64)
    if image.format != "PNG" or data[24] != 16:
        return None
    if data[25] == 4:  # grey and alpha, whatever Pillow makes of them
        # Its four bytes a pixel, read as the four channels of a file of 8 bits.
        head = data[12:24] + b"\x08\x06" + data[26:29]
        file = data[:12] + head + crc32(head).to_bytes(4, "big") + data[33:]
        four = np.asarray(Image.open(io.BytesIO(file), formats=("PNG",)), np.float64)
        return four[..., ::2] * 256 + four[..., 1::2]
    if image.mode not in ("RGB", "RGBA"):
        return None
    lower = Image.open(io.BytesIO(data), formats=("PNG",))
    # Little-endian is a lie that makes Pillow keep the other byte of each value.
    lower.tile = [tile._replace(args=f"{image.mode};16L") for tile in lower.tile]
    both: NDArray[np.float64] = np.asarray(image, np.float64) * 256 + np.asarray(lower)
    return both


def _reduced(
    values: NDArray[np.float64], hidden: int | tuple[int, ...] | None = None
) -> Image.Image:
    """Values to 65,535 as 8 bits; those of the colour `hidden` transparent."""
    image = Image.fromarray(np.clip(np.rint(values / 257), 0, 255).astype(np.uint8))
    if hidden is not None:
        seen = values.reshape(*values.shape[:2], -1) != hidden
        image.putalpha(Image.fromarray(seen.any(-1)).convert("L"))
    return image


def _upright(image: Image.Image, flat: Image.Image, notes: list[str]) -> Image.Image:
    """The pixels of `image` turned as its EXIF says, which is how browsers show it."""
    try:
        turn = image.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged EXIF says nothing
        return flat
    if turn not in TURNS:
        return flat
    notes.append("The image was turned as its EXIF entry says.")
    return flat.transpose(TURNS[turn])


def _middle(
    image: Image.Image, shape: tuple[int, int, int], crop: float, name: str, notes: list[str]
) -> Image.Image:
    """Made as large as covers the shape over `crop`, and cut, as torchvision's Resize and
    CenterCrop do."""
    height, width = shape[:2]
    low, wide = round(height / crop), round(width / crop)
    if image.width * low >= image.height * wide:
        size = max(wide, int(low * image.width / image.height)), low
    else:
        size = wide, max(low, int(wide * image.height / image.width))
    if size[0] * size[1] > MAX_PIXELS:
        told = f"{image.width}x{image.height} pixels are too long and narrow to keep the middle of"
        raise BadImageError(f"{name}: {told}")
    left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
    notes.append(
        f"The image was resized from {image.width}x{image.height} to {size[0]}x{size[1]} pixels "
        "and its middle kept."
    )
    resized = image.resize(size, Image.Resampling.BICUBIC)
    return resized.crop((left, top, left + width, top + height))


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
