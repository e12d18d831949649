"""Whether the files of a bundle are what its manifest says, before anybody relies on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from ndcore.bundles.manifest import (
    CERTIFICATES,
    EVALUATION,
    FAITHFUL,
    GALLERY,
    GRAPH_FILE,
    PICTURES,
    two_pixels_of,
)
from ndcore.concept_graph.faithful import ACTIVE, DRAWN, RANDOM
from ndcore.concept_graph.kept_file import wrong_with
from ndcore.data.gallery_row import GalleryRow
from ndcore.data.splits import SPLITS
from ndcore.errors import UnreadableError
from ndcore.storage.arrays import Arrays
from ndcore.storage.plain_files import read_json
from ndcore.storage.schema import (
    SHARE,
    Check,
    many,
    one_of,
    or_null,
    record,
    require,
    row,
    table,
    text,
    whole,
)


@dataclass(frozen=True)
class Contents:
    """What lies beside the weights.

    Attributes:
        splits: keys of the images of each split.
        gallery: verified attacks.
        distributions, calibration: arrays, unpacked when they are asked for.
        graph: arrays of the concept graphs; None where they were not made.
        pictures: arrays of what drives their units; None where they were not made.
        certificates: by set of images what is proven of them; empty where nobody asked.
        faithful: by rule of drawing what is left of each class without its drawn units; empty where
            nobody asked.
    """

    splits: dict[str, list[str]]
    gallery: list[GalleryRow]
    distributions: Arrays
    calibration: Arrays
    graph: Arrays | None
    pictures: Arrays | None
    certificates: dict[str, Any]
    faithful: list[dict[str, Any]]

    @classmethod
    def of(cls, folder: Path, manifest: Mapping[str, Any]) -> Self:
        """The contents of a bundle's folder.

        Raises:
            UnreadableError: a file is damaged, or not what the manifest says.
        """
        splits = _splits(folder)
        return cls(
            splits,
            _gallery(folder, manifest),
            _distributions(folder, manifest),
            _calibration(folder, manifest),
            _graph(folder, manifest, len(splits["reference"])),
            _pictures(folder, manifest),
            _certificates(folder, manifest),
            _faithful(folder, manifest),
        )


_SPLITS = record(dict.fromkeys(SPLITS, many(text(4096))))


SETS = (EVALUATION, GALLERY)
_RATE = record({"rate": or_null(SHARE), "n": whole()})
_CERTIFIED = record({"certified": _RATE})
_PROVEN = record(
    {
        "weight_hash": text(64),
        "sets": table(
            record(
                {
                    "command": text(4096, r"[^`\n]*"),
                    "summary": record(
                        {
                            **dict.fromkeys(("n", "certified", "certified_accuracy_n"), whole()),
                            **dict.fromkeys(("accuracy", "certified_accuracy"), or_null(SHARE)),
                            "correct": record({"certified": _RATE, "alarms": _RATE}),
                            "wrong": record({"alarms": _RATE}),
                            "breakable": _CERTIFIED,
                        },
                        {"two_pixels": record({"block": whole(), "correct": _CERTIFIED})},
                    ),
                }
            ),
            one_of(*SETS, *map(two_pixels_of, SETS)),
        ),
    }
)


def _splits(folder: Path) -> dict[str, list[str]]:
    found = read_json(folder / "splits.json", within=folder)
    require(_SPLITS, found, "splits.json")
    return dict(found)


def _gallery(folder: Path, manifest: Mapping[str, Any]) -> list[GalleryRow]:
    found = read_json(folder / "gallery.json", within=folder)
    require(many(_attack(manifest)), found, "gallery.json")
    try:
        return [GalleryRow.from_dict(each) for each in found]
    except TypeError as error:
        raise UnreadableError("gallery.json has entries that are not known") from error


def _attack(manifest: Mapping[str, Any]) -> Check:
    height, width, channels = manifest["shape"]
    label = one_of(*manifest["classes"])
    colour = row(*[whole(0, 255)] * channels)
    pixel = record(
        {
            "row": whole(0, height - 1),
            "col": whole(0, width - 1),
            "rgb_before": colour,
            "rgb_after": colour,
        }
    )
    return record(
        {
            "id": text(4096),
            **dict.fromkeys(("true", "predicted_before", "predicted_after"), label),
            "pixels": many(pixel, 1, height * width),
            "confidence_before": SHARE,
            "confidence_after": SHARE,
            "queries": whole(),
        },
        {
            "first_hit": or_null(whole()),
            "engine": or_null(text()),
            "seed": or_null(whole()),
        },
    )


def _distributions(folder: Path, manifest: Mapping[str, Any]) -> Arrays:
    file = "distributions.npz"
    arrays = Arrays(folder / file, folder)
    about = manifest["distributions"]
    held = len(about.get("held", manifest["classes"]))
    bins = about.get("bins")
    for layer in manifest["layers"]:
        units = layer["units"]
        for reduction in layer["reductions"]:
            place = f"{layer['name']}/{reduction}"
            width = None if bins is None else 1 + bins
            _require(arrays, file, f"{place}/counts", (held, units, width), "u")
            for end in ("lo", "hi"):
                _require(arrays, file, f"{place}/{end}", (units,), "f")
            low, high = arrays[f"{place}/lo"], arrays[f"{place}/hi"]
            if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
                raise UnreadableError(f"{file} has no range for every unit of '{place}'")
            if not arrays.heads[f"{place}/counts"].shape[2] > 1:
                raise UnreadableError(f"{file} has no bins for '{place}'")
    arrays.unpack()
    return arrays


def _calibration(folder: Path, manifest: Mapping[str, Any]) -> Arrays:
    file = "calibration.npz"
    arrays = Arrays(folder / file, folder)
    if not len(arrays):
        return arrays
    _require(arrays, file, "predicted", (None,), "iu")
    predicted = arrays["predicted"]
    if not ((predicted >= 0) & (predicted < len(manifest["classes"]))).all():
        raise UnreadableError(f"{file} knows classes that the bundle has not")
    count, layers = len(predicted), len(manifest["layers"])
    shapes = {"scores": (count,), "layers": (count, layers), "dev": (None, layers)}
    for name in arrays:
        what = name.rpartition("/")[2]
        if name == "predicted":
            continue
        if what not in shapes:
            raise UnreadableError(f"{file} has an array '{name}' that is not known")
        _require(arrays, file, name, shapes[what], "f")
        if np.isnan(arrays[name]).any():
            raise UnreadableError(f"{file} has scores that are no numbers in '{name}'")
    return arrays


def _graph(folder: Path, manifest: Mapping[str, Any], images: int) -> Arrays | None:
    if GRAPH_FILE not in manifest["files"]:
        return None
    arrays = Arrays(folder / GRAPH_FILE, folder)
    units = {layer["name"]: layer["units"] for layer in manifest["layers"]}
    if (why := wrong_with(arrays, units, len(manifest["classes"]), images)) is not None:
        raise UnreadableError(f"{GRAPH_FILE} {why}")
    return arrays


def _pictures(folder: Path, manifest: Mapping[str, Any]) -> Arrays | None:
    if PICTURES not in manifest["files"]:
        return None
    arrays = Arrays(folder / PICTURES, folder)
    _require(arrays, PICTURES, "files", (None,), "u")
    for name in ("label", "layer", "unit", "length"):
        _require(arrays, PICTURES, name, arrays.heads["length"].shape[:1], "i")
    units = np.array([layer["units"] for layer in manifest["layers"]])
    layer, unit, length = arrays["layer"], arrays["unit"], arrays["length"]
    known = (layer >= 0) & (layer < len(units)) & (unit >= 0)
    if not known.all() or (unit >= units[layer]).any():
        raise UnreadableError(f"{PICTURES} names units that the bundle has not")
    if (length < 0).any() or int(length.sum()) != len(arrays["files"]):
        raise UnreadableError(f"{PICTURES} does not fit its lengths")
    return arrays


def _require(
    arrays: Arrays, file: str, name: str, shape: tuple[int | None, ...], kinds: str
) -> None:
    if name not in arrays:
        raise UnreadableError(f"{file} lacks '{name}'")
    if not arrays.heads[name].fits(shape, kinds):
        raise UnreadableError(f"{file} has '{name}' of another size than the manifest says")


def _certificates(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Those of other weights tell nothing."""
    if CERTIFICATES not in manifest["files"]:
        return {}
    found = read_json(folder / CERTIFICATES, within=folder)
    require(_PROVEN, found, CERTIFICATES)
    return dict(found["sets"]) if found["weight_hash"] == manifest["weight_hash"] else {}


def _faithful(folder: Path, manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """That of other weights or graphs tells nothing."""
    if FAITHFUL not in manifest["files"]:
        return []
    found = read_json(folder / FAITHFUL, within=folder)
    recalls = record(dict.fromkeys((DRAWN, ACTIVE, RANDOM), SHARE))
    of_class = {
        "label": whole(0, len(manifest["classes"]) - 1),
        "units": whole(),
        "recall": record({"recall": SHARE, "n": whole(1)}),
        "keep_only": recalls,
        "remove": recalls,
    }
    rule = record({"nodes": SHARE, "edges": SHARE, "most": whole(1)})
    drawing = record(
        {"rule": rule, "strongest": or_null(whole(1)), "classes": many(record(of_class), 1)}
    )
    check = record({"weight_hash": text(64), "graph": text(64), "drawings": many(drawing)})
    require(check, found, FAITHFUL)
    made = manifest["weight_hash"], manifest["files"].get(GRAPH_FILE)
    return list(found["drawings"]) if (found["weight_hash"], found["graph"]) == made else []
