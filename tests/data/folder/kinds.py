"""Kinds of image folders that people have, each as small as it can be.

A kind writes its folder and says what the images in it are by sums of its own: class and pixels
uint8 (H, W, 3) of each file, as they lie in the folder, before any resizing.
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import compress, crc32

import numpy as np
from PIL import Image
from torch import Tensor, nn
from torchvision import transforms

from tests.own.kinds import Base

Pixels = np.ndarray
Images = dict[str, tuple[str, Pixels]]  # id -> class and pixels
CLASSES = ("cat", "dog", "ship")
SIDE, COUNT = 12, 16
TRUNCATED = 60  # bytes of a file that was cut


@dataclass(frozen=True)
class Kind:
    """A folder.

    Attributes:
        write: makes it and says what it holds.
        options: of `check` and `build`.
        said: what `check` and `build` say of it.
        shape: how pixels are brought to the shape of the model; None where they have it.
        classes: what the model tells apart, where it is not the folders.
        refused: what the sentence says where it cannot be built from.
    """

    write: Callable[[Path], Images]
    options: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    shape: Callable[[Pixels], Pixels] | None = None
    classes: tuple[str, ...] = CLASSES
    refused: str = ""


def net(outputs: int) -> nn.Module:
    return Base(outputs)


class Fragile(Base):
    """The colour of one pixel is the class, so that one pixel flips any image."""

    def forward(self, x: Tensor) -> object:
        return 0.01 * super().forward(x) + 20 * x[:, :, 5, 5]


def __getattr__(name: str) -> Callable[[], nn.Module]:
    """`net_5`: a network with five outputs."""
    if name.startswith("net_"):
        return lambda: net(int(name[4:]))
    raise AttributeError(name)


def noise(
    size: tuple[int, int] = (SIDE, SIDE), channels: int = 3, seed: int = 0
) -> Iterator[Pixels]:
    rng = np.random.default_rng(seed)
    while True:
        yield rng.integers(0, 256, (*size, channels)).astype(np.uint8)


def save(root: Path, name: str, pixels: Pixels | Image.Image, **options: object) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(root / name, **options)


def plain(
    root: Path,
    name: str = "{label}/{i:02d}.png",
    classes: tuple[str, ...] = CLASSES,
    count: int = COUNT,
    size: tuple[int, int] = (SIDE, SIDE),
    seed: int = 0,
) -> Images:
    """Lossless noise, named by a pattern of class and number."""
    found, images = {}, noise(size, seed=seed)
    for label in classes:
        for i in range(count):
            image_id, pixels = name.format(label=label, i=i), next(images)
            save(root, image_id, pixels)
            found[image_id] = label, pixels
    return found


def as_pillow(root: Path, found: Images) -> Images:
    """The pixels as Pillow alone reads them, of formats that lose some."""
    return {
        image_id: (label, np.asarray(Image.open(root / image_id).convert("RGB")))
        for image_id, (label, _) in found.items()
    }


def jpeg(root: Path) -> Images:
    return as_pillow(root, plain(root, "{label}/{i}.jpg"))


def one_class_in_jpeg(root: Path) -> Images:
    found = plain(root, classes=("dog", "ship"))
    return found | as_pillow(root, plain(root, "{label}/{i}.jpeg", ("cat",)))


def a_few_in_jpeg(root: Path) -> Images:
    found = plain(root)
    images = noise(seed=1)
    for label in CLASSES:
        save(root, f"{label}/j.jpg", next(images))
    return found | as_pillow(root, {f"{label}/j.jpg": (label, np.zeros(0)) for label in CLASSES})


def same_stem(root: Path) -> Images:
    found, images = {}, noise()
    for label in CLASSES:
        for i in range(COUNT):
            for suffix in ("png", "bmp"):
                image_id, pixels = f"{label}/{i}.{suffix}", next(images)
                save(root, image_id, pixels)
                found[image_id] = label, pixels
    return found


def several_formats(root: Path) -> Images:
    found, images = {}, noise()
    for label in CLASSES:
        for i, suffix in enumerate(("tif", "tiff", "ppm", "PNG", "Bmp", "TIF") * 3):
            image_id, pixels = f"{label}/{i}.{suffix}", next(images)
            save(root, image_id, pixels)
            found[image_id] = label, pixels
    return found


def of_mode(convert: Callable[[Image.Image], Image.Image], suffix: str = "png") -> object:
    def write(root: Path) -> Images:
        found, images = {}, noise()
        for label in CLASSES:
            for i in range(COUNT):
                image_id = f"{label}/{i}.{suffix}"
                image = convert(Image.fromarray(next(images)))
                save(root, image_id, image)
                found[image_id] = label, np.asarray(image.convert("RGB"))
        return found

    return write


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))


def deep_png(values: np.ndarray, colour_type: int, key: bytes = b"") -> bytes:
    """A PNG file of uint16 (H, W, C), which Pillow cannot write."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", values.shape[1], len(values), 16, colour_type, 0, 0, 0)
    parts = chunk(b"IHDR", head) + (chunk(b"tRNS", key) if key else b"")
    return b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IDAT", compress(rows)) + chunk(b"IEND", b"")


def deep(colour_type: int, channels: int, keyed: bool = False) -> Callable[[Path], Images]:
    """16 bits a channel: grey, colour, or either with alpha; `keyed`: a colour for nothing."""

    def write(root: Path) -> Images:
        rng, found = np.random.default_rng(1), {}
        for label in CLASSES:
            (root / label).mkdir(parents=True)
            for i in range(COUNT):
                values = rng.integers(0, 65536, (SIDE, SIDE, channels))
                if channels in (2, 4):
                    values[..., -1] = np.where(rng.random((SIDE, SIDE)) < 0.5, 65535, 0)
                key = struct.pack(f">{channels}H", *values[3, 4]) if keyed else b""
                (root / label / f"{i}.png").write_bytes(deep_png(values, colour_type, key))
                colours = values[..., : 1 if channels < 3 else 3]
                pixels = np.broadcast_to(np.rint(colours / 257), (SIDE, SIDE, 3)).copy()
                if channels in (2, 4):
                    pixels[values[..., -1] == 0] = 255
                if keyed:
                    pixels[(values == values[3, 4]).all(-1)] = 255
                found[f"{label}/{i}.png"] = label, pixels.astype(np.uint8)
        return found

    return write


def half_seen(root: Path) -> Images:
    found, images = {}, noise(channels=4)
    for label in CLASSES:
        for i in range(COUNT):
            pixels = next(images)
            pixels[..., 3] = np.where(pixels[..., 3] < 128, 0, 255)
            save(root, f"{label}/{i}.png", pixels)
            white = np.where(pixels[..., 3:] == 0, 255, pixels[..., :3])
            found[f"{label}/{i}.png"] = label, white.astype(np.uint8)
    return found


def photographs(root: Path) -> Images:
    """Every turn that a camera writes; half of the images lie on their side."""
    found, images = {}, noise((8, SIDE))
    turns = [  # from the pixels as they are shown to those in the file
        lambda x: x,
        lambda x: x[:, ::-1],
        lambda x: x[::-1, ::-1],
        lambda x: x[::-1],
        lambda x: x.transpose(1, 0, 2),
        lambda x: np.rot90(x, 1),
        lambda x: x[::-1, ::-1].transpose(1, 0, 2),
        lambda x: np.rot90(x, -1),
    ]
    for label in CLASSES:
        for i in range(COUNT):
            pixels, exif = next(images), Image.Exif()
            exif[0x112] = i % 8 + 1
            stored = np.ascontiguousarray(turns[i % 8](pixels))
            save(root, f"{label}/{i}.png", Image.fromarray(stored), exif=exif)
            found[f"{label}/{i}.png"] = label, pixels
    return found


def hidden_bitmaps(root: Path) -> Images:
    """32-bit BMP files whose alpha says nothing is to be seen, as some programs write them."""
    found, images = {}, noise()
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    for label in CLASSES:
        (root / label).mkdir(parents=True)
        for i in range(COUNT):
            pixels = next(images)
            zeros = np.zeros((SIDE, SIDE, 1), np.uint8)
            body = np.concatenate([pixels[::-1, :, ::-1], zeros], -1).tobytes()
            size = (108, SIDE, SIDE, 1, 32, 3, len(body), 0, 0, 0, 0)
            head = struct.pack("<IiiHHIIiiII", *size) + masks + b"BGRs" + bytes(48)
            start = 14 + len(head)
            file = b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + head + body
            (root / label / f"{i}.bmp").write_bytes(file)
            found[f"{label}/{i}.bmp"] = label, pixels
    return found


def moving(root: Path) -> Images:
    found, images = {}, noise()
    for label in CLASSES:
        for i in range(COUNT):
            pixels, more = next(images), [Image.fromarray(next(images))]
            options = {"save_all": True, "append_images": more, "lossless": True}
            save(root, f"{label}/{i}.webp", pixels, **options)
            found[f"{label}/{i}.webp"] = label, pixels
    return found


def several_sizes(root: Path) -> Images:
    found, rng = {}, np.random.default_rng(2)
    for label in CLASSES:
        for i in range(COUNT):
            size = rng.integers(9, 30, 2)
            pixels = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
            save(root, f"{label}/{i}.png", pixels)
            found[f"{label}/{i}.png"] = label, pixels
    return found


def squeezed(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def middle(share: float) -> Callable[[Pixels], Pixels]:
    """By torchvision; an image of the size itself is taken as it is."""
    cut = transforms.Compose(
        [
            transforms.Resize(round(SIDE / share), transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(SIDE),
        ]
    )

    def brought(pixels: Pixels) -> Pixels:
        if pixels.shape[:2] == (SIDE, SIDE):
            return pixels
        return np.asarray(cut(Image.fromarray(pixels)))

    return brought


def parted(*parts: str) -> Callable[[Path], Images]:
    def write(root: Path) -> Images:
        found, images = {}, noise()
        for part in parts:
            for label in CLASSES:
                for i in range(COUNT if part == "train" else 3):
                    image_id, pixels = f"{part}/{label}/{i}.png", next(images)
                    save(root, image_id, pixels)
                    found[image_id] = label, pixels
        return found

    return write


def classes_that_sound_like_parts(root: Path) -> Images:
    return plain(root, "{label}/deeper/{i}.png", ("bus", "test", "train"))


def parts_that_are_classes(root: Path) -> Images:
    found, images = {}, noise()
    for label in ("test", "train", "val"):
        for i in range(COUNT):
            image_id, pixels = f"{label}/{'ab'[i % 2]}/{i}.png", next(images)
            save(root, image_id, pixels)
            found[image_id] = label, pixels
    return found


def strays(root: Path) -> Images:
    found = plain(root)
    for name in ("cat/.DS_Store", "cat/Thumbs.db", "dog/notes.txt", "dog/b.txt", "labels.csv"):
        (root / name).write_bytes(b"x")
    save(root, "__MACOSX/cat/._1.png", next(noise()))
    save(root, ".ipynb_checkpoints/1.png", next(noise()))
    save(root, "cat/moving.gif", next(noise()))
    save(root, "loose.png", next(noise()))
    return found


def copies(root: Path) -> Images:
    found = plain(root)
    for i in range(8):
        shutil.copy(root / "cat" / f"{i:02d}.png", root / "cat" / f"again {i}.png")
        found[f"cat/again {i}.png"] = found[f"cat/{i:02d}.png"]
    return found


def broken(root: Path) -> Images:
    found = plain(root, count=18)
    for image_id in ("dog/03.png", "ship/00.png"):
        whole = (root / image_id).read_bytes()
        (root / image_id).write_bytes(whole[:TRUNCATED])
        del found[image_id]
    (root / "cat" / "note.png").write_text("no image")
    (root / "cat" / "empty.png").touch()
    return found


def links(root: Path) -> Images:
    found = plain(root, classes=("cat", "dog"))
    elsewhere = root.parent / f"{root.name}-elsewhere"
    for image_id, (_, pixels) in plain(elsewhere, classes=("ship",), seed=1).items():
        found[image_id] = "ship", pixels
    (root / "ship").symlink_to(elsewhere / "ship")
    (root / "cat" / "itself").symlink_to(root / "cat")
    return found


def odd_names(root: Path) -> Images:
    found, images = {}, noise()
    names = ("<b>x</b> & *y*", "schöne Schiffe, 船 🚢", "tabby cat")
    for label in names:
        label = label.replace("/", "\u2215")
        for i in range(COUNT):
            image_id, pixels = (
                f"{label}/2024-01-01T10:{i:02d}, ~ %41 #{i} *c* <u>.png",
                next(images),
            )
            save(root, image_id, pixels)
            found[image_id] = label, pixels
    return found


def numbers(root: Path) -> Images:
    return plain(root, classes=tuple(map(str, range(11))), count=14)


def misnamed(root: Path) -> Images:
    found, images = {}, noise()
    for label in CLASSES:
        for i in range(COUNT):
            pixels = next(images)
            save(root, f"{label}/{i}.jpg", pixels, format="PNG")
            found[f"{label}/{i}.jpg"] = label, pixels
    return found


def unbalanced(root: Path) -> Images:
    rare = plain(root, classes=("cat", "dog"), count=14)
    found, rng = rare, np.random.default_rng(3)
    for i in range(90):
        pixels = rng.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
        save(root, f"ship/{i}.png", pixels)
        found[f"ship/{i}.png"] = "ship", pixels
    return found


def many_classes(root: Path) -> Images:
    return plain(root, classes=tuple(f"c{i:02d}" for i in range(30)), count=14)


FINE: dict[str, Kind] = {
    "plain": Kind(plain, said=("fewer than 19 images calibrate",)),
    "jpeg": Kind(jpeg),
    "one-class-in-jpeg": Kind(one_class_in_jpeg),
    "a-few-in-jpeg": Kind(a_few_in_jpeg),
    "same-stem": Kind(same_stem),
    "several-formats": Kind(several_formats),
    "nested": Kind(lambda root: plain(root, "{label}/a{i}/deeper/{i}.png")),
    "grey": Kind(of_mode(lambda image: image.convert("L"))),
    "black-and-white": Kind(of_mode(lambda image: image.convert("1"))),
    "palette": Kind(of_mode(lambda image: image.quantize(30))),
    "cmyk": Kind(of_mode(lambda image: image.convert("CMYK"), "tif")),
    "deep-grey": Kind(deep(0, 1)),
    "deep-colour": Kind(deep(2, 3)),
    "deep-grey-and-alpha": Kind(deep(4, 2)),
    "deep-colour-and-alpha": Kind(deep(6, 4)),
    "deep-with-a-key": Kind(deep(2, 3, keyed=True)),
    "half-seen": Kind(half_seen),
    "photographs": Kind(photographs),
    "hidden-bitmaps": Kind(hidden_bitmaps),
    "moving": Kind(moving),
    "not-square": Kind(lambda root: plain(root, size=(8, 15))),
    "squeezed": Kind(
        several_sizes,
        ("--resize", "12", "12"),
        ("images are squeezed into 12x12, such as cat/0.png", "--crop keeps their middle"),
        squeezed,
    ),
    "cut": Kind(several_sizes, ("--size", "12", "12", "--crop"), (), middle(1)),
    "cut-more": Kind(several_sizes, ("--size", "12", "12", "--crop", "0.75"), (), middle(0.75)),
    "train-and-test": Kind(parted("train", "test")),
    "train-and-val": Kind(parted("train", "val")),
    "train-dev-and-test": Kind(parted("train", "dev", "test")),
    "class-named-train": Kind(classes_that_sound_like_parts, classes=("bus", "test", "train")),
    "parts-that-are-classes": Kind(
        parts_that_are_classes, ("--parts", "no"), classes=("test", "train", "val")
    ),
    "strays": Kind(
        strays,
        said=(
            "5 files left out: 2 .txt, 1 .csv, 1 .db, 1 .gif",
            "1 image left out, in no class folder, such as loose.png",
        ),
    ),
    "copies": Kind(copies, said=("copies of other images: 8 files, such as cat/again 0.png",)),
    "broken": Kind(
        broken,
        ("--skip-broken",),
        ("left out, because they cannot be read: 4 image files, such as cat/empty.png",),
    ),
    "links": Kind(links),
    "odd-names": Kind(
        odd_names, classes=("<b>x<\u2215b> & *y*", "schöne Schiffe, 船 🚢", "tabby cat")
    ),
    "fewer-than-the-model": Kind(plain, classes=("ship", "frog", "cat", "dog")),
    "numbers-in-order": Kind(numbers, classes=tuple(map(str, range(11)))),
    "misnamed": Kind(misnamed),
    "unbalanced": Kind(unbalanced),
    "many-classes": Kind(many_classes, classes=tuple(f"c{i:02d}" for i in range(30))),
}


def nowhere(root: Path) -> Images:
    return {}


def a_file(root: Path) -> Images:
    root.write_text("x")
    return {}


def empty(root: Path) -> Images:
    root.mkdir()
    return {}


def no_classes(root: Path) -> Images:
    save(root, "1.png", next(noise()))
    return {}


def no_images(root: Path) -> Images:
    for label in CLASSES:
        (root / label).mkdir(parents=True)
        (root / label / "1.pdf").touch()
    return {}


def an_empty_class(root: Path) -> Images:
    found = plain(root)
    (root / "frog").mkdir()
    return found


def few(root: Path) -> Images:
    found = plain(root, classes=("cat", "dog"), count=5)
    return found | plain(root, classes=("ship",), seed=1)


def few_different(root: Path) -> Images:
    found = plain(root, classes=("cat", "dog"))
    save(root, "ship/0.png", next(noise(seed=1)))
    for i in range(1, COUNT):
        shutil.copy(root / "ship" / "0.png", root / "ship" / f"{i}.png")
    return found


def damaged(root: Path) -> Images:
    found = plain(root)
    (root / "dog" / "05.png").write_bytes((root / "dog" / "05.png").read_bytes()[:TRUNCATED])
    return found


def not_an_image(root: Path) -> Images:
    found = plain(root)
    (root / "dog" / "05.png").write_text("no image")
    return found


def floating(root: Path) -> Images:
    found = plain(root)
    save(root, "dog/zz.tif", Image.new("F", (SIDE, SIDE)))
    return found


def huge(root: Path) -> Images:
    found = plain(root)
    save(root, "dog/zz.png", Image.new("1", (9000, 9000)))
    return found


def dangling(root: Path) -> Images:
    found = plain(root)
    (root / "dog" / "zz.png").symlink_to(root / "nowhere.png")
    return found


def parts_or_classes(root: Path) -> Images:
    for part in ("train", "test", "bus"):
        plain(root / part, classes=("a", "b"), count=2)
    return {}


def two_classes(root: Path) -> Images:
    return plain(root, classes=("cat", "dog"))


REFUSED: dict[str, Kind] = {
    "nowhere": Kind(nowhere, refused="does not exist or is no folder"),
    "a-file": Kind(a_file, refused="does not exist or is no folder"),
    "empty": Kind(empty, refused="no class subfolders with images: put the images of each class"),
    "no-classes": Kind(no_classes, refused="images but 1 image of no class: put"),
    "no-images": Kind(no_images, refused=r"holds no images .*, only 3 \.pdf"),
    "an-empty-class": Kind(
        an_empty_class, refused="class 'frog' has no images", classes=(*CLASSES, "frog")
    ),
    "few": Kind(few, refused=r"2 classes have too few images: 'cat' \(5\), 'dog' \(5\); at least"),
    "few-different": Kind(few_different, refused="'ship' has 1 different images; at least 14"),
    "damaged": Kind(damaged, refused="dog/05.png is truncated or damaged"),
    "not-an-image": Kind(not_an_image, refused="dog/05.png is not a PNG"),
    "floating": Kind(floating, refused="dog/zz.tif holds floating-point values"),
    "huge": Kind(huge, ("--size", "12", "12"), refused="dog/zz.png is too large"),
    "dangling": Kind(dangling, refused="dog/zz.png cannot be read: No such file"),
    "parts-or-classes": Kind(parts_or_classes, refused="--parts no or --parts yes"),
    "no-parts": Kind(plain, ("--parts", "yes"), refused="has no part"),
    "several-sizes": Kind(several_sizes, refused="of several sizes, .* --size H W"),
    "one-class-too-few": Kind(two_classes, refused="2 classes but the model tells 3 apart"),
    "unknown-class": Kind(plain, classes=("cat", "dog", "frog"), refused="class 'ship' of the"),
}
