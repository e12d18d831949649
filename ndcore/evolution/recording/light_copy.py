"""A smaller copy of a recording, to hand on or to ship: fewer details, and no weights."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ndcore.errors import BadRequestError
from ndcore.evolution.patches import AVERAGED
from ndcore.evolution.run import EvolutionRun
from ndcore.evolution.store import FOLDER, SUMS, copy_whole, epoch_file, write_arrays
from ndcore.storage.atomic import replace_folder

PER_PATCH = ("image", "position", "level")


def copy_recording(
    run: EvolutionRun,
    place: Path,
    *,
    details: Collection[int] | None = None,
    patches: int | None = None,
) -> Path:
    """Copy a recording, without the weights that lie beside it.

    Args:
        run: what is copied.
        place: folder of the copy, which must not exist; the recording lies in `evolution` there.
        details: epochs whose class samples and patches come along, beside those of the last that
            has some; by default of all.
        patches: the most per unit and epoch, the strongest first; by default all. The average
            pictures take 20, facets up to 1,000.

    Returns:
        The folder of the copied recording.

    Raises:
        BadRequestError: the place is taken, an epoch has no details, or there would be fewer
            patches than an average picture takes.
        RunError: the recording is damaged.
    """
    if place.exists():
        raise BadRequestError(f"{place} is there already: name a folder that is not")
    if patches is not None and patches < AVERAGED:
        raise BadRequestError(f"patches must be at least {AVERAGED}, got {patches}")
    had = run.detailed
    kept = set(had if details is None else details) | set(had[-1:])
    if unknown := sorted(kept - set(had)):
        told = ", ".join(map(str, had)) or "none yet"
        raise BadRequestError(f"epoch {unknown[0]} has no details: they were kept at {told}")
    of_details = {epoch_file(run.folder, "detail", epoch) for epoch in had}
    with replace_folder(place) as building:
        folder = building / FOLDER
        folder.mkdir()
        for path in sorted(run.folder.glob("[a-z]*.*")):
            if path.name != SUMS and path not in of_details:
                copy_whole(path, folder)
        for epoch in sorted(kept):
            _copy_details(run, epoch, folder, patches)
    return place / FOLDER


def _copy_details(run: EvolutionRun, epoch: int, folder: Path, patches: int | None) -> None:
    if patches is None or run.details(epoch)["image"].shape[1] <= patches:
        copy_whole(epoch_file(run.folder, "detail", epoch), folder)
        return
    arrays = run.details(epoch)
    fewer = {name: arrays[name][:, :patches] for name in PER_PATCH}
    write_arrays(epoch_file(folder, "detail", epoch), arrays | fewer)
