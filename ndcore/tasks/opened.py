"""What a task names, opened where it is done."""

from __future__ import annotations

from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.errors import BadRequestError


def opened(bundle: str, weight_hash: str) -> Bundle:
    """A bundle, with the weights that it had when the task was described.

    Raises:
        BadRequestError: it has others now.
        BundleError: it cannot be opened.
    """
    found = load_bundle(bundle)
    if found.weight_hash != weight_hash:
        raise BadRequestError(f"the bundle '{bundle}' was built anew meanwhile; start again")
    return found
