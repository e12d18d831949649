"""What a bundle says of itself in `manifest.json`, believed only after it was looked at."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from ndcore.errors import BundleError, UnreadableError
from ndcore.storage.plain_files import plain_file, read_json
from ndcore.storage.schema import (
    HASH,
    SHARE,
    SHARES,
    anything,
    different,
    many,
    number,
    one_of,
    or_null,
    record,
    require,
    row,
    switch,
    table,
    text,
    whole,
)

SCHEMA = 1
MANIFEST = "manifest.json"
FILES = (
    "weights.safetensors",
    "distributions.npz",
    "calibration.npz",
    "splits.json",
    "gallery.json",
)
# A finished study of its detectors, where one was put into the bundle.
STUDY_FILES = ("study/study.json", "study/study.npz", "study/desk.npz")
CERTIFICATES = "certificates.json"
# Its sets: images that no choice was made on, and those that one pixel breaks.
EVALUATION, GALLERY = "evaluation", "gallery"
# The concept graphs of its classes, where they were made.
GRAPH_FILE = "graph.npz"
# What is left of each class without the units that these draw, where that was measured.
FAITHFUL = "faithful.json"
# What drives the units of these, averaged.
PICTURES = "graph_pictures.npz"
GRAPHS = (GRAPH_FILE, FAITHFUL, PICTURES)
MOST_BYTES = 4 << 20
MOST_SIDE = 8192
MOST_UNITS = 10_000_000
NAME = text(1000, r"[^\0]+")
NEEDED = {
    "name": NAME,
    "model": text(4096, r"[^\0]+"),
    "classes": different(many(NAME, 2, 100_000)),
    "shape": row(whole(1, MOST_SIDE), whole(1, MOST_SIDE), one_of(1, 3, 4)),
    "layers": different(
        many(
            record(
                {
                    "name": NAME,
                    "units": whole(1, MOST_UNITS),
                    "reductions": different(many(one_of("mean", "max", "value"), 1, 3)),
                },
                {"runs": whole(1)},
            ),
            0,
            10_000,
        ),
        "name",
    ),
    "weight_hash": HASH,
    "files": table(text(64), most=1000),
    "accuracy": record(
        {"n": whole(), "accuracy": or_null(SHARE)},
        {"ci95": or_null(SHARES), "per_class": table(anything)},
    ),
    "distributions": record({"images": whole()}, {"held": many(whole()), "bins": whole(1, 4096)}),
}
ALSO = {
    "seed": or_null(whole()),
    "data": record({}, {"root": text(4096), "source": text(), "splits": table(anything)}),
    "gallery": record({}, {"evaluation": record({"attacked": whole()})}),
    "form": record(
        {}, {"output": text(), "probabilities": switch, "writes": switch, "closed": switch}
    ),
    "answer": many(number(finite=False), 0, 1_000_000),
    "intake": record(
        {}, {"crop": or_null(SHARE), "parts": or_null(switch), "without": many(text(4096))}
    ),
}
_MANIFEST = record(NEEDED, ALSO)


def two_pixels_of(name: str) -> str:
    """Under which name certificates for two pixels of a set are kept."""
    return f"{name}, two pixels"


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest in a bundle's folder; its name is the folder's, whatever it was once called.

    It is shared: whoever changes it makes a copy.

    Raises:
        BundleError: it is missing or damaged, of another schema, or a file that it needs is missing
            or leads elsewhere.
    """
    name = folder.name
    try:
        about = plain_file(folder / MANIFEST)
    except UnreadableError as error:
        if (folder / MANIFEST).exists():
            raise BundleError(f"bundle '{name}' is damaged: {error}") from error
        raise BundleError(f"bundle '{name}' has no manifest; build it again") from error
    try:
        manifest = _read(folder, (about.st_ino, about.st_mtime_ns, about.st_size))
        for file in (*FILES, *manifest["files"]):
            if not (folder / file).is_file():
                raise BundleError(f"bundle '{name}' lacks {file}")
            plain_file(folder / file, folder)
    except UnreadableError as error:
        raise BundleError(f"bundle '{name}' is damaged: {error}") from error
    except OSError as error:
        raise BundleError(f"bundle '{name}' cannot be read: {error.strerror}") from error
    return manifest


@lru_cache(maxsize=256)
def _read(folder: Path, _state: tuple[int, int, int]) -> dict[str, Any]:
    """Every page lists all bundles each time: what did not change is not read again."""
    name = folder.name
    manifest = read_json(folder / MANIFEST, MOST_BYTES)
    version = manifest.get("schema_version") if isinstance(manifest, dict) else None
    version = version if type(version) is int else None
    if version != SCHEMA:
        told = f"schema version {version}; this version reads {SCHEMA}"
        raise BundleError(f"bundle '{name}' has {told}")
    missing = [key for key in NEEDED if key not in manifest]
    if missing:
        raise BundleError(f"bundle '{name}' has a manifest without '{missing[0]}'")
    require(_MANIFEST, manifest, MANIFEST)
    if unknown := {*manifest["files"]} - {*FILES, *STUDY_FILES, CERTIFICATES, *GRAPHS}:
        raise BundleError(f"bundle '{name}' lists an unknown file '{min(unknown)[:80]}'")
    if absent := {*FILES} - {*manifest["files"]}:
        raise BundleError(f"bundle '{name}' lacks {min(absent)}")
    held = manifest["distributions"].get("held", [])
    if held != sorted({*held}) or not all(label < len(manifest["classes"]) for label in held):
        raise BundleError(f"bundle '{name}' is damaged: {MANIFEST} names odd classes")
    found: dict[str, Any] = manifest | {"name": name}
    return found
