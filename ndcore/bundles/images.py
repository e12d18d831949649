"""The images of a bundle: where they lie now, and any image by its id.

A bundle holds none. One that was built from a folder names it in its manifest; the folder is
looked for there, and by its name in `data_dir()`, so that a bundle can move to another machine.
No other folder is ever read: an id of a link is looked up among the files that are listed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import Find, find_image, open_data, open_source, own_place
from ndcore.data.class_list import with_classes
from ndcore.data.sources import ImageSource, Pixels
from ndcore.errors import BadRequestError, DataError
from ndcore.networks.called.stored import Stored

FOLDER = "folder"  # the images that a bundle was built from, where they are in a folder


def folder_name(bundle: Bundle) -> str:
    """Name of the folder that a bundle was built from; "" where it was built from no folder."""
    return Path(_root(bundle)).name


def _root(bundle: Bundle) -> str:
    return str(bundle.manifest.get("data", {}).get("root", ""))


def own_folder(bundle: Bundle) -> Path | None:
    """Where the folder lies that a bundle was built from; None where it is not here.

    Of a bundle of stored activations it is their file.
    """
    if isinstance(bundle.model, Stored):
        return bundle.model.held.path
    return own_place(_root(bundle))


def open_own(bundle: Bundle) -> ImageSource | None:
    """The images that a bundle was built from, labelled as its model does; None where they are in
    no folder, or it is not here.

    Raises:
        BadRequestError: it holds other classes now.
        DataError: it holds no images any more.
    """
    folder = own_folder(bundle)
    return None if folder is None else open_for(bundle, folder)


def open_named(bundle: Bundle, name: str) -> ImageSource:
    """The images that a bundle was built from where `name` is `FOLDER`, else a source by its name.

    Raises:
        BadRequestError: see `open_own` and `open_source`.
        DataError: it is not on this machine.
    """
    if name != FOLDER:
        return open_source(name)
    found = open_own(bundle)
    if found is None:
        raise DataError(f"the images of bundle '{bundle.name}' are not here")
    return found


def open_for(bundle: Bundle, data: str | Path, parts: bool | None = None) -> ImageSource:
    """Images of some or all of a bundle's classes, taken in and labelled as its own are.

    Args:
        bundle: that they are for.
        data: what `--data` names.
        parts: see `Intake`; None leaves it to the bundle.

    Raises:
        BadRequestError: the data has other classes.
        DataError: it cannot be had.
    """
    intake = bundle.intake
    if parts is not None:
        intake = replace(intake, parts=parts)
    own = own_folder(bundle)
    if own is None or Path(data).resolve() != own.resolve():
        intake = replace(intake, without=())
    return labelled(bundle, open_data(data, bundle.shape, intake))


def labelled(bundle: Bundle, source: ImageSource) -> ImageSource:
    """The same images, labelled as a bundle's model does.

    Raises:
        BadRequestError: the source has other classes.
    """
    try:
        return with_classes(source, bundle.classes)
    except DataError as error:
        if {*source.classes} <= {*bundle.classes}:
            raise BadRequestError(str(error)) from error
        raise BadRequestError(
            f"the data has classes {', '.join(source.classes[:4])}, ... "
            f"but bundle '{bundle.name}' knows {', '.join(bundle.classes[:4])}, ..."
        ) from error


def finder(own: ImageSource | None, alone: bool = False) -> Find:
    """What looks an image up by its id or key: in `own` (its own images, labelled), else among
    those that every machine may have, unless it is `alone`."""

    def find(image_id: str) -> tuple[Pixels, int]:
        if own is not None and image_id in own.places:
            at = own.places[image_id]
            return own.pixels([at])[0], int(own.labels[at])
        if own is not None and alone:
            raise DataError(f"there is no image '{image_id}' in {Path(own.root).name}")
        try:
            return find_image(image_id)
        except DataError as error:
            if own is None or ":" in image_id:
                raise
            place = Path(own.root).name or own.name
            raise DataError(f"there is no image '{image_id}' in {place}") from error

    return find
