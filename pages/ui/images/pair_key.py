"""A short name for a bundle and a pair of images, under which results may be cached."""

from __future__ import annotations

import hashlib

from ndcore.bundles.bundle import Bundle
from ndcore.data.pairs import Pair


def pair_key(bundle: Bundle, pair: Pair) -> str:
    """SHA-256 (hex) over the bundle's weights and files and every pixel of the pair."""
    digest = hashlib.sha256(bundle.weight_hash.encode())
    for file, checksum in sorted(bundle.manifest["files"].items()):
        digest.update(f"{file}{checksum}".encode())
    for image in (pair.benign, pair.attacked):
        digest.update(b"-" if image is None else str(image.shape).encode() + image.tobytes())
    return digest.hexdigest()
