"""Disjoint splits by source image: reference / dev / calibration / evaluation.

`reference` trains the model and fills the distributions; `dev` is for choices; `calibration`
sets thresholds; `evaluation` is touched once, for the reported figures. Lists hold
`ImageSource.keys()`, so that every copy of a data set yields the same splits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ndcore.data.copies import first_copies
from ndcore.data.sources import ImageSource
from ndcore.errors import DataError

SPLITS = ("reference", "dev", "calibration", "evaluation")
# Held out of a data set: this share, but no more images than the figures need.
LARGEST_SHARE = 0.4
ENOUGH = 5000
HELD_OUT = {"dev": 0.1, "calibration": 0.4, "evaluation": 0.5}
# Of a class: fewer held-out images leave a split without it.
FEWEST, FEWEST_HELD = 14, 6


def held_out_keys(splits: Mapping[str, Sequence[str]]) -> list[str]:
    """Keys of the images of all splits that did not train the model."""
    return [key for name in SPLITS if name != "reference" for key in splits[name]]


def make_splits(source: ImageSource, seed: int = 0) -> dict[str, list[str]]:
    """Split the training part of a source, the same shares in every class.

    Where every class of a source mixes lossless and lossy files, all lossless ones are held out,
    because attacks and detectors are judged on pixels that no codec has touched; otherwise 40%
    are, or 5,000 images if that is less. They go to dev, calibration and evaluation as
    10 : 40 : 50. Copies of a file go where the first of them goes.

    Raises:
        DataError: classes have fewer than 14 different images; all of them are named.
    """
    rng = np.random.default_rng(seed)
    keys = np.array(source.keys())
    usable = np.array([part in ("train", "") for part in source.parts])
    if not usable.any():
        usable[:] = True
    first = first_copies(source)
    # The first of each that may be used stands for its copies.
    usable_first = {copy: place for place, copy in reversed([*enumerate(first)]) if usable[place]}
    stands = np.array([usable_first.get(copy, -1) for copy in first]) == np.arange(len(first))
    mixed = _mixed(source, usable & stands)
    share = min(LARGEST_SHARE, ENOUGH / int(usable.sum()))
    _require_enough(source, usable, stands)
    found: dict[str, list[str]] = {name: [] for name in SPLITS}
    for label, name in enumerate(source.classes):
        if name in source.absent:
            continue
        members = np.flatnonzero(usable & stands & (source.labels == label))
        members = rng.permutation(members)
        if mixed:
            held = members[source.lossless[members]]
            found["reference"] += keys[members[~source.lossless[members]]].tolist()
        else:
            count = max(round(share * len(members)), FEWEST_HELD)
            held = members[:count]
            found["reference"] += keys[members[count:]].tolist()
        edges = np.rint(np.cumsum([0, *HELD_OUT.values()]) * len(held)).astype(int)
        for index, split in enumerate(HELD_OUT):
            found[split] += keys[held[edges[index] : edges[index + 1]]].tolist()
    if not stands[usable].all():
        side = {key: split for split, members in found.items() for key in members}
        for place in np.flatnonzero(usable & ~stands):
            found[side[keys[usable_first[first[place]]]]].append(str(keys[place]))
    return {name: sorted(members) for name, members in found.items()}


def _require_enough(
    source: ImageSource, usable: NDArray[np.bool_], stands: NDArray[np.bool_]
) -> None:
    """Every class that the source is to hold has enough different images."""
    classes = len(source.classes)
    counts = np.bincount(source.labels[usable & stands], minlength=classes).tolist()
    small = [
        (name, n)
        for name, n in zip(source.classes, counts, strict=True)
        if n < FEWEST and name not in source.absent
    ]
    if not small:
        return
    labels = [source.classes.index(name) for name, _ in small]
    copies = bool((usable & ~stands & np.isin(source.labels, labels)).any())
    images = "different images" if copies else "images"
    if len(small) == 1:
        told = f"class '{small[0][0]}' has {small[0][1]} {images}"
    else:
        names = ", ".join(f"'{name}' ({n})" for name, n in small)
        told = f"{len(small)} classes have too few {images}: {names}"
    raise DataError(f"{told}; at least {FEWEST} are needed")


def _mixed(source: ImageSource, usable: NDArray[np.bool_]) -> bool:
    """Whether each class has enough lossless files to hold out, and enough others to learn from."""
    classes = len(source.classes)
    there = [name not in source.absent for name in source.classes]
    held = np.bincount(source.labels[usable & source.lossless], minlength=classes)[there]
    rest = np.bincount(source.labels[usable & ~source.lossless], minlength=classes)[there]
    return bool(held.min() >= FEWEST_HELD and rest.min() >= FEWEST - FEWEST_HELD)


def positions(source: ImageSource, keys: list[str]) -> list[int]:
    """Positions in `source` of those keys that it has, in the order of `keys`."""
    where = {key: index for index, key in enumerate(source.keys())}
    return [where[key] for key in keys if key in where]
