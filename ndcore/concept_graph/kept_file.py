"""Whether a file of graphs is what `Keeper` writes, before anybody relies on it."""

from __future__ import annotations

from collections.abc import Mapping

from ndcore.concept_graph.graph import COUNT
from ndcore.concept_graph.kept import KINDS
from ndcore.concept_graph.sums import PATCHES
from ndcore.storage.arrays import Arrays

_ALWAYS = ("labels", "images", "folds", "layers", "units", "links", "gaps")


def wrong_with(arrays: Arrays, units: Mapping[str, int], classes: int, images: int) -> str | None:
    """What is wrong with a file, in words that follow its name; None where it is as it should be.

    Args:
        arrays: of the file.
        units: layer -> number of units, in order, as the bundle has them.
        classes: of the bundle.
        images: that it may name.
    """
    if absent := [name for name in _ALWAYS if name not in arrays]:
        return f"lacks '{absent[0]}'"
    count = arrays.heads["labels"].shape
    plain = len(count) == 1 and all(
        arrays.heads[name].fits(count, "i") for name in ("labels", "images", "folds")
    )
    if not plain or not all(arrays.heads[name].fits((None,), "U") for name in ("layers", "gaps")):
        return "has arrays of other kinds than it should"
    labels = arrays["labels"].tolist()
    if not labels or labels != sorted({*labels}) or not 0 <= labels[0] <= labels[-1] < classes:
        return "names odd classes"
    if arrays["layers"].tolist() != list(units) or arrays["units"].tolist() != [*units.values()]:
        return "is of other layers than the bundle"
    if (arrays["images"] < 1).any():
        return "has classes without images"
    return _layers(arrays, units, len(labels), images) or _links(arrays, units, len(labels))


def _layers(arrays: Arrays, units: Mapping[str, int], held: int, images: int) -> str | None:
    for layer, count in units.items():
        rows, few = (held, count), (held, count, PATCHES)
        needed: dict[str, tuple[tuple[int, ...], str]] = {f"{layer}/means": (rows, "f")}
        for kind in KINDS:
            if kind != COUNT and f"{layer}/{kind}" not in arrays:
                continue
            needed |= {f"{layer}/{kind}{end}": (rows, "f") for end in ("", "_error")}
        needed |= {f"{layer}/patch_{what}": (few, "u") for what in ("images", "at")}
        needed |= {f"{layer}/patch_top": (few, "f")}
        for name, (shape, kind) in needed.items():
            if name not in arrays or not arrays.heads[name].fits(shape, kind):
                return f"lacks '{name}', or has it of another size"
        if (arrays[f"{layer}/patch_images"] > images).any():
            return f"names images that the bundle has not, at '{layer}'"
    return None


def _links(arrays: Arrays, units: Mapping[str, int], held: int) -> str | None:
    if arrays["links"].size and not arrays.heads["links"].fits((None, 2), "U"):
        return "has arrays of other kinds than it should"
    order = list(units)
    seen = set()
    for source, target in arrays["links"].reshape(-1, 2).tolist():
        if {source, target} - {*order} or order.index(source) >= order.index(target):
            return "links layers that are not there"
        if target in seen:
            return f"links '{target}' twice"
        seen.add(target)
        name = f"{target}/sources"
        if name not in arrays or not arrays.heads[name].fits((units[target], None), "u"):
            return f"lacks '{name}', or has it of another size"
        edges = (held, units[target], arrays.heads[name].shape[1])
        kinds = {"influence": "f", "error": "f", "stability": "u", "count": "u"}
        shapes = {f"{target}/edge_{what}": (edges, kind) for what, kind in kinds.items()}
        whole = f"{target}/edge_whole"
        for each, (shape, kind) in shapes.items():
            if each not in arrays or not arrays.heads[each].fits(shape, kind):
                return f"lacks '{each}', or has it of another size"
        if whole not in arrays or not arrays.heads[whole].fits(edges[:2], "f"):
            return f"lacks '{whole}', or has it of another size"
        if (arrays[name] >= units[source]).any():
            return f"names units that '{source}' has not"
    return None
