"""Put a finished study into its bundle, so that it travels with it."""

from __future__ import annotations

from pathlib import Path

from ndcore.bundles.bundle import Bundle
from ndcore.bundles.extras import put_files
from ndcore.bundles.manifest import STUDY_FILES
from ndcore.errors import BundleError
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
    places = {name: folder / Path(name).name for name in STUDY_FILES}
    try:
        files = {name: place.read_bytes() for name, place in places.items() if place.is_file()}
    except OSError as error:
        raise BundleError(f"cannot read the study in {folder}: {error.strerror}") from error
    put_files(bundle, files, STUDY_FILES)
