"""What is proven of how many images of a bundle's data, kept in the bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ndcore.bundles.bundle import Bundle
from ndcore.bundles.extras import put_files
from ndcore.bundles.manifest import CERTIFICATES, EVALUATION, GALLERY
from ndcore.errors import BadRequestError


def require_set(bundle: Bundle, name: str, keys: tuple[str, ...]) -> None:
    """Raise BadRequestError unless these are images of `EVALUATION`, or of `GALLERY`."""
    known = {
        EVALUATION: set(bundle.splits["evaluation"]),
        GALLERY: {row.key for row in bundle.gallery},
    }
    if name not in known or not set(keys) <= known[name]:
        raise BadRequestError(
            "a bundle keeps certificates of a source's evaluation images or of --split gallery, "
            "not of these"
        )


def keep_certificates(bundle: Bundle, name: str, found: Mapping[str, Any]) -> None:
    """Put what was found of a set into the bundle, beside what is there of the other.

    Args:
        bundle: where to.
        name: `EVALUATION`, `GALLERY`, or `two_pixels_of` one of them.
        found: what `ndcore certify` tells of it: `command`, `data`, `seed`, `summary` and, image
            by image, `images`.

    Raises:
        BundleError: it cannot be written.
    """
    sets = bundle.certificates | {name: dict(found)}
    document = {"weight_hash": bundle.weight_hash, "sets": sets}
    content = json.dumps(document, separators=(",", ":")) + "\n"
    put_files(bundle, {CERTIFICATES: content.encode()}, [CERTIFICATES])
