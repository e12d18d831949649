"""8-bit images: bytes from anyone -> pixels of the model's shape, and pixels -> PNG."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ndcore.data.image_file.eight_bits import flattened
from ndcore.data.image_file.limits import MAX_PIXELS, require_bounded, require_few_parts
from ndcore.data.pixels import smaller
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
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
FILE_FORMATS = (*FORMATS, "TIFF", "PPM")  # of files on this machine, which nobody sends


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
    require_few_parts(data, name)
    image = _opened(data, name, formats)
    try:
        smaller = require_bounded(image, data, _may_turn(image, data), name)
        notes: list[str] = []
        frames = getattr(image, "n_frames", 1)
        if frames > 1:
            notes.append(f"Only the first of {frames} frames is used.")
            image.seek(0)
        if smaller > 1:
            image.draft(image.mode, (image.width // smaller, image.height // smaller))
            notes.append(f"The image is so large that it was read at 1/{smaller} of its size.")
        image.load()
        flat, turn = flattened(image, data, notes), _turn(image)
        del image
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise BadImageError(f"{name} is truncated or damaged") from error
    except MemoryError as error:
        raise BadImageError(f"{name} takes more memory than an image may") from error
    if turn in TURNS:
        notes.append("The image was turned as its EXIF entry says.")
        flat = flat.transpose(TURNS[turn])
    if shape is not None and crop is not None and flat.size != shape[1::-1]:
        flat = _middle(flat, shape, crop, name, notes)
    return Decoded(_to_shape(flat, shape, notes), tuple(notes))


def _opened(data: bytes, name: str, formats: tuple[str, ...]) -> Image.Image:
    """The image with its head read, and nothing else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image: Image.Image = Image.open(io.BytesIO(data), formats=formats)
    except Image.DecompressionBombError as error:
        raise BadImageError(f"{name} is too large: over {MAX_PIXELS:,} pixels") from error
    except MemoryError as error:
        raise BadImageError(f"{name} takes more memory than an image may") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise BadImageError(f"{name} is not a PNG, JPEG, WebP or BMP image") from error
    if image.mode == "F":
        raise BadImageError(f"{name} holds floating-point values, which are no colours")
    return image


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


def small_png(pixels: NDArray[np.uint8], side: int) -> bytes:
    """PNG bytes of pixels uint8 (H, W, C), enlarged without blur or made smaller by whole factors:
    the shorter side has about `side` pixels."""
    short = min(pixels.shape[:2])
    return encode_png(smaller(pixels, max(1, short // side)), max(1, side // short))


def encode_webp(pixels: NDArray[np.uint8], quality: int = 90) -> bytes:
    """WebP bytes of pixels uint8 (H, W, C), C = 1 or 3; lossy, so much smaller than PNG."""
    out = io.BytesIO()
    # WebP has no grey.
    colour = np.repeat(pixels, 3, axis=2) if pixels.shape[-1] == 1 else pixels
    Image.fromarray(colour).save(out, format="WEBP", quality=quality)
    return out.getvalue()


def _may_turn(image: Image.Image, data: bytes) -> bool:
    """Whether it may have to be turned, by its head: Pillow reads all of a PNG for an entry."""
    return b"eXIf" in data or "exif" in image.info if image.format == "PNG" else _turn(image) != 1


def _turn(image: Image.Image) -> int:
    """What the EXIF entry asks for, which is how browsers show the image; 1 for nothing."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # damaged EXIF says nothing
        return 1


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
