"""Files that a bundle gets after it was built: a study, certificates."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from ndcore.bundles.bundle import Bundle
from ndcore.errors import BundleError
from ndcore.storage.atomic import write_bytes, write_json


def put_files(bundle: Bundle, files: Mapping[str, bytes], instead_of: Sequence[str]) -> None:
    """Write files into a bundle and list their checksums in its manifest.

    Args:
        bundle: where to.
        files: by name.
        instead_of: names that are no part of it any more, unless they are written again.

    Raises:
        BundleError: it cannot be written.
    """
    place = bundle.folder / "manifest.json"
    try:
        manifest = json.loads(place.read_text())
        listed = {k: v for k, v in manifest["files"].items() if k not in instead_of}
        # Without their entries the files are no part of the bundle, so a kill here breaks nothing.
        write_json(place, manifest | {"files": listed})
        for name in instead_of:
            (bundle.folder / name).unlink(missing_ok=True)
        for name, content in files.items():
            write_bytes(bundle.folder / name, content)
            listed[name] = hashlib.sha256(content).hexdigest()
        write_json(place, manifest | {"files": listed})
    except OSError as error:
        raise BundleError(f"cannot write into bundle '{bundle.name}': {error.strerror}") from error
