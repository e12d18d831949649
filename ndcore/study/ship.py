"""Put a finished study into its bundle, so that it travels with it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from ndcore.bundles.bundle import STUDY_FILES, Bundle
from ndcore.errors import BundleError
from ndcore.storage.atomic import write_bytes, write_json
from ndcore.study.saved import load_study


def ship_study(bundle: Bundle, folder: Path) -> None:
    """Copy a study's files into the bundle and list their checksums in its manifest.

    Args:
        bundle: where to.
        folder: of the study.

    Raises:
        BundleError: the study is missing, damaged or of other weights, or cannot be written.
    """
    load_study(folder, bundle.weight_hash)
    place = bundle.folder / "manifest.json"
    try:
        manifest = json.loads(place.read_text())
        files = {k: v for k, v in manifest["files"].items() if k not in STUDY_FILES}
        # Without their entries the files are no part of the bundle, so a kill here breaks nothing.
        write_json(place, manifest | {"files": files})
        shutil.rmtree(bundle.folder / "study", ignore_errors=True)
        for name in STUDY_FILES:
            origin = folder / Path(name).name
            if origin.is_file():
                content = origin.read_bytes()
                write_bytes(bundle.folder / name, content)
                files[name] = hashlib.sha256(content).hexdigest()
        write_json(place, manifest | {"files": files})
    except OSError as error:
        raise BundleError(f"cannot write into bundle '{bundle.name}': {error.strerror}") from error
