"""Image files as strangers may send them: name -> bytes. Seeded, so the same on every machine.

Whole ones in odd forms, torn ones, those that are larger than they look, and those that are none.
"""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.ui import png as packed

Files = Iterator[tuple[str, bytes]]

SEED = 11
SIGNATURE = b"\x89PNG\r\n\x1a\n"
LARGE = 6320  # a side of nearly 40 megapixels
COLOUR = np.random.default_rng(SEED).integers(0, 256, (32, 32, 3), dtype=np.uint8)
SMALL = Image.fromarray(COLOUR)
PHOTO = SMALL.resize((96, 64), Image.Resampling.BICUBIC)
TURNED = [PHOTO.rotate(45 * step) for step in range(1, 5)]


def chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def head(width: int, height: int, depth: int, colour: int, interlaced: bool = False) -> bytes:
    about = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return SIGNATURE + chunk(b"IHDR", about)


def zeros(count: int) -> bytes:
    """So many zeros, deflated, without ever holding them."""
    packer, block = zlib.compressobj(9), bytes(1 << 20)
    parts = [
        packer.compress(block[: min(len(block), count - at)]) for at in range(0, count, 1 << 20)
    ]
    return b"".join(parts) + packer.flush()


def black(
    size: tuple[int, int], depth: int = 8, colour: int = 2, extra: bytes = b"", rows: int = -1
) -> bytes:
    """A black PNG; `rows` of it are there, all by default; `extra` are further chunks."""
    width, height = size
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    line = 1 + (width * channels * depth + 7) // 8
    palette = chunk(b"PLTE", bytes(768)) if colour == 3 else b""
    content = chunk(b"IDAT", zeros(line * (height if rows < 0 else rows))) if rows else b""
    return head(width, height, depth, colour) + palette + extra + content + chunk(b"IEND", b"")


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def empty_scans(side: int, scans: int) -> bytes:
    """A progressive JPEG whose scans change nothing, and walk over every block to find that out."""
    blocks = (-(-side // 8)) ** 2

    def bits(text: str) -> bytes:
        text += "1" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")

    def scan(first: int, last: int, content: str) -> bytes:
        return segment(0xDA, bytes([1, 1, 0, first, last, 0])) + bits(content)

    frame = struct.pack(">BHHB", 8, side, side, 1) + bytes([1, 0x11, 0])
    steady = segment(0xC4, bytes([0x00, 1, *[0] * 15, 0x00]))
    long_run = segment(0xC4, bytes([0x10, 1, *[0] * 15, 0xE0]))  # of 2^14 blocks and more
    skipped = ("0" + "1" * 14) * (blocks // 32767 + 1)
    start = b"\xff\xd8" + segment(0xDB, bytes([0, *[16] * 64])) + segment(0xC2, frame)
    again = scan(1, 63, skipped)
    return start + steady + long_run + scan(0, 0, "0" * blocks) + again * scans + b"\xff\xd9"


def wholes() -> dict[str, bytes]:
    """Ordinary files, one of each form."""
    several = {"save_all": True, "append_images": TURNED}
    return {
        "rgb.png": packed(SMALL),
        "rgba.png": packed(SMALL.convert("RGBA")),
        "grey.png": packed(SMALL.convert("L")),
        "palette.png": packed(SMALL.convert("P")),
        "two.png": packed(SMALL.convert("1")),
        "moving.png": packed(PHOTO, **several),
        "baseline.jpg": packed(PHOTO, "JPEG"),
        "progressive.jpg": packed(PHOTO, "JPEG", progressive=True),
        "grey.jpg": packed(PHOTO.convert("L"), "JPEG"),
        "cmyk.jpg": packed(PHOTO.convert("CMYK"), "JPEG"),
        "lossy.webp": packed(PHOTO, "WEBP"),
        "lossless.webp": packed(PHOTO, "WEBP", lossless=True),
        "moving.webp": packed(PHOTO, "WEBP", **several),
        "rgb.bmp": packed(PHOTO, "BMP"),
        "palette.bmp": packed(PHOTO.convert("P"), "BMP"),
    }


def torn(whole: dict[str, bytes]) -> Files:
    """Each whole one cut, with bits turned, overwritten, doubled, and with its ends exchanged."""
    rng = random.Random(SEED)
    for name, content in whole.items():
        for cut in (1, 7, 20, 33, 60, len(content) // 3, len(content) * 9 // 10, len(content) - 1):
            yield f"cut at {cut} {name}", content[:cut]
        for number in range(10):
            changed = bytearray(content)
            within = min(len(changed), 80) if number < 6 else len(changed)
            for _ in range(2 ** (number % 6)):
                changed[rng.randrange(within)] ^= 1 << rng.randrange(8)
            yield f"bits {number} {name}", bytes(changed)
        middle = len(content) // 2
        yield f"noise {name}", content[:middle] + rng.randbytes(64) + content[middle + 64 :]
        yield f"hole {name}", content[:middle] + bytes(64) + content[middle + 64 :]
        yield f"twice {name}", content * 2
        yield f"exchanged {name}", content[middle:] + content[:middle]
        yield f"with a tail {name}", content + bytes(100_000)


def odd() -> Files:
    """Whole, but not what one expects."""
    deep = Image.fromarray(np.arange(1024, dtype=np.uint16).reshape(32, 32) * 60)
    yield "deep grey.png", packed(deep)
    for depth, colour in (
        (16, 0),
        (16, 2),
        (16, 4),
        (16, 6),
        (1, 0),
        (2, 0),
        (4, 0),
        (1, 3),
        (4, 3),
    ):
        yield f"{depth} bits of kind {colour}.png", black((33, 7), depth, colour)
    for size in ((1, 1), (65_535, 1), (1, 65_535), (60_000, 600), (600, 60_000)):
        yield f"{size[0]}x{size[1]}.png", black(size, 8, 0)
    yield "interlaced.png", head(64, 64, 8, 2, True) + black((64, 64))[33:]
    yield "grey and alpha.png", packed(SMALL.convert("LA"))
    yield "one colour hidden.png", packed(SMALL, transparency=(1, 2, 3))
    yield "palette hidden.png", packed(SMALL.convert("P"), transparency=bytes(range(256)))
    yield "alpha.webp", packed(PHOTO.convert("RGBA"), "WEBP")
    yield "alpha.bmp", packed(PHOTO.convert("RGBA"), "BMP")
    for kind in ("PNG", "JPEG", "WEBP"):
        for size in (10, 10_000, 40_000):
            yield f"profile of {size} {kind}", packed(PHOTO, kind, icc_profile=b"\xfe" * size)
    for turn in (*range(10), 255, 65_535):
        exif = Image.Exif()
        exif[0x112] = turn
        yield f"turn {turn}.jpg", packed(PHOTO, "JPEG", exif=exif)
        yield f"turn {turn}.png", packed(SMALL, exif=exif)
    for trash in (b"", b"II*\x00" + b"\xff" * 4000, b"MM\x00*" + bytes(60_000)):
        yield f"EXIF of {len(trash)}.jpg", packed(PHOTO, "JPEG", exif=b"Exif\x00\x00" + trash)
    tiny = PHOTO.resize((16, 16))
    many = [tiny.rotate(turn) for turn in range(1000)]
    yield "a thousand frames.webp", packed(tiny, "WEBP", save_all=True, append_images=many)


def large() -> Files:
    """Small files of many pixels, parts or scans."""
    full, hidden = (LARGE, LARGE), chunk(b"tRNS", bytes(256))
    kinds = {"rgb": (8, 2), "rgba": (8, 6), "la": (8, 4), "grey": (8, 0), "two": (1, 0)}
    kinds |= {"palette": (8, 3), "grey 16": (16, 0), "rgb 16": (16, 2), "la 16": (16, 4)}
    for name, (depth, colour) in kinds.items():
        for side in (3000, LARGE):
            yield f"{side} {name}.png", black((side, side), depth, colour)
    yield "large palette hidden.png", black(full, 8, 3, hidden)
    yield "large colour hidden.png", black(full, 8, 2, chunk(b"tRNS", bytes(6)))
    yield "large 16 hidden.png", black((4000, 4000), 16, 2, chunk(b"tRNS", bytes(6)))
    yield "large interlaced.png", head(*full, 8, 2, True) + black(full)[33:]
    turn = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    yield "large turned.png", black(full, 8, 2, chunk(b"eXIf", turn))
    for width, height in (
        (10**5, 10**5),
        (2**31 - 1,) * 2,
        (0, 0),
        (0, 9),
        (4 * 10**7, 1),
        (1, 4 * 10**7),
    ):
        yield f"promises {width}x{height}.png", black((width, height), 8, 2, rows=0)
    yield "tall.png", black((1, 40_000_000), 1, 0)
    yield "wide.png", black((40_000_000, 1), 8, 0)
    yield "one row of many.png", black(full, rows=1)
    for kind in (b"zTXt", b"iCCP"):
        yield (
            f"200 MB in {kind.decode()}.png",
            black((32, 32), extra=chunk(kind, b"k\0\0" + zeros(2 * 10**8))),
        )
    yield (
        "200 MB in iTXt.png",
        black((32, 32), extra=chunk(b"iTXt", b"k\0\1\0\0\0" + zeros(2 * 10**8))),
    )
    yield "much text.png", black((32, 32), extra=chunk(b"tEXt", b"k\0" + b"v" * 60_000) * 150)
    yield "many chunks.png", black((32, 32), extra=chunk(b"prVt", b"") * 600_000)
    yield "many frames.png", black((32, 32), extra=chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)))
    yield "empty data.png", head(32, 32, 8, 2) + chunk(b"IDAT", b"") * 500_000
    yield (
        "300 MB of data.png",
        head(32, 32, 8, 2) + chunk(b"IDAT", zeros(3 * 10**8)) + chunk(b"IEND", b""),
    )
    yield "lies about length.png", SIGNATURE + struct.pack(">I", 2**31 - 1) + b"IHDR" + bytes(20)
    for side, scans in ((2000, 1000), (500, 20_000), (LARGE, 20), (LARGE, 1000)):
        yield f"{scans} scans of {side}.jpg", empty_scans(side, scans)
    yield "10 MB of scans.jpg", empty_scans(LARGE, 150_000)[:9_900_000]
    yield from _large_jpegs(Image.new("L", full, 7))
    flat = Image.new("RGB", (16_383, 2441), (1, 2, 3))
    yield "large.webp", packed(flat, "WEBP", lossless=True)
    flat.putalpha(4)
    yield "large alpha.webp", packed(flat, "WEBP", lossless=True)
    yield "large enough.webp", packed(Image.new("RGB", (4032, 3024)), "WEBP", lossless=True)
    yield "large two.bmp", packed(Image.new("1", full), "BMP")
    yield from _odd_bmps()


def _large_jpegs(flat: Image.Image) -> Files:
    whole = packed(flat, "JPEG")
    yield "large.jpg", whole
    yield "large progressive.jpg", packed(flat, "JPEG", progressive=True)
    yield "large cmyk.jpg", packed(Image.new("CMYK", flat.size, 7), "JPEG")
    yield (
        "large cmyk progressive.jpg",
        packed(Image.new("CMYK", flat.size, 7), "JPEG", progressive=True),
    )
    yield (
        "large colour.jpg",
        packed(Image.new("RGB", flat.size), "JPEG", subsampling=0, progressive=True),
    )
    at = whole.index(b"\xff\xc0") + 5
    for height, width in ((65_535, 65_535), (0, 0), (1, 65_535), (65_535, 1), (65_535, 600)):
        changed = whole[:at] + struct.pack(">HH", height, width) + whole[at + 4 :]
        yield f"promises {width}x{height}.jpg", changed


def _odd_bmps() -> Files:
    plain, runs = bytearray(packed(SMALL, "BMP")), bytearray(packed(SMALL.convert("P"), "BMP"))
    for size in (
        (0, 0),
        (-32, 32),
        (32, -32),
        (2**31 - 1, 2**31 - 1),
        (LARGE, LARGE),
        (-(2**31), 1),
    ):
        plain[18:26] = struct.pack("<ii", *size)
        yield f"promises {size[0]}x{size[1]}.bmp", bytes(plain)
    runs[18:26], runs[30:34] = struct.pack("<ii", LARGE, LARGE), struct.pack("<I", 1)
    yield "long runs.bmp", bytes(runs) + b"\xff\x01" * 160_000 + b"\x00\x01"
    yield "short runs.bmp", bytes(runs) + b"\x01\x01" * 4_000_000
    yield "jumps.bmp", bytes(runs) + b"\x00\x02\xff\xff" * 400_000
    yield "half a MB of runs.bmp", bytes(runs) + b"\x01\x01" * 250_000


def none_at_all(whole: dict[str, bytes]) -> Files:
    """Something else, under the name of an image."""
    page = b"<!doctype html><script>alert(1)</script>"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../../a.png", whole["rgb.png"])
    heads = {
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        "html": page,
        "pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n%%EOF",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x)(r)file\n%%EOF",
        "photoshop": b"8BPS\x00\x01" + bytes(2000),
        "heif": b"\x00\x00\x00\x18ftypheic" + bytes(2000),
        "bitmap of X": b"#define x_width 8\n#define x_height 8\nstatic char x_bits[] = {0};",
        "portable": b"P6 100000 100000 255\n" + bytes(100),
        "direct draw": b"DDS " + bytes(2000),
        "flexible": b"SIMPLE  =                    T" + bytes(3000),
        "icons": b"icns\x00\x00\x07\xd8" + bytes(2000),
        "jpeg 2000": b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(2000),
        "pickle": b"cposix\nsystem\n(S'true'\ntR.",
        "program": b"\x7fELF" + bytes(500),
        "archive": archive.getvalue(),
        "nothing": b"",
        "zeros": bytes(1_000_000),
        "noise": random.Random(SEED).randbytes(100_000),
        "text": b"I am no image\n" * 100,
        "webp that lies": b"RIFF\xff\xff\xff\xffWEBPVP8X" + bytes(60),
        "webp of 16M x 16M": b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\x12\0\0\0" + b"\xff" * 6,
        "jpeg that only begins": b"\xff\xd8",
        "jpeg that begins on and on": b"\xff\xd8" * 500_000,
        "jpeg of filling": b"\xff\xd8" + b"\xff" * 2_000_000,
        "jpeg of notes": b"\xff\xd8" + segment(0xE1, b"Exif\0\0") * 200_000,
        "jpeg of empty notes": b"\xff\xd8" + segment(0xE5, b"") * 2_000_000,
        "bmp that ends": b"BM" + bytes(12),
        "bmp that lies": b"BM" + bytes(12) + b"\xff\xff\xff\x7f" + bytes(200),
    }
    for name, content in heads.items():
        yield f"{name} as an image.png", content
    for kind in ("GIF", "TIFF", "ICO", "AVIF", "JPEG2000", "PPM", "TGA", "PCX", "SGI"):
        if kind in Image.SAVE:
            yield f"{kind} as.png", packed(SMALL, kind)
    mpo = packed(SMALL, "MPO", save_all=True, append_images=[SMALL])
    yield "two pictures.jpg", mpo
    for inner, outer in (("rgb.png", "jpg"), ("lossy.webp", "bmp"), ("rgb.bmp", "webp")):
        yield f"{inner} as.{outer}", whole[inner]
    yield "image and page.png", whole["rgb.png"] + page
    yield "image and archive.png", whole["rgb.png"] + archive.getvalue()
    note = segment(0xFE, page)
    yield "page in an image.jpg", whole["baseline.jpg"][:2] + note + whole["baseline.jpg"][2:]


def corpus() -> dict[str, bytes]:
    """All of them by name, those in odd forms first."""
    Image.init()
    whole = wholes()
    parts = (whole.items(), odd(), torn(whole), large(), none_at_all(whole))
    return {name: content for part in parts for name, content in part}
