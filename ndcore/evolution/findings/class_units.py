"""DV-28: what units stand for: classes in the final layer and before it, looks in the first."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.evolution.averages import kept_averages
from ndcore.evolution.facet_classes import kept_facet_classes
from ndcore.evolution.findings.accuracy import difference
from ndcore.evolution.findings.finding import Finding, Outcome, Runs, UntestableError
from ndcore.evolution.findings.series import compared, require_layer
from ndcore.evolution.run import EvolutionRun
from ndcore.statistics.intervals import Rate
from ndcore.statistics.resampling import mean_interval

TOP, AVERAGED = 5, 20  # patches of a row of the paper, and behind an average image
DIFFICULT = ("cat", "dog", "bird")
PURE = 0.8
EARLY_LAYER = "conv15"  # layer32 of lenet-d
ALIKE = 0.9  # correlation of two pictures


def _labels(run: EvolutionRun, layer: str, unit: int, k: int) -> NDArray[np.integer]:
    """Classes of the patches that drive a unit most at the last epoch."""
    last = int(run.epochs[-1])
    if last not in run.detailed:
        raise UntestableError(f"the recording of {run.model} has no patches of its last epoch")
    return run.patches(layer, unit, last, k).labels


def _final_units(runs: Runs) -> Outcome:
    run = runs["lenet"]
    name = run.layers[-1].name
    own = {
        label: int((_labels(run, name, unit, TOP) == unit).sum())
        for unit, label in enumerate(run.classes)
    }
    n = TOP * len(own)
    found = Rate(sum(own.values()), n)
    return Outcome(
        found.ends[0] > 0.5,
        {"own_class": own} | found.to_dict("share"),
        f"lenet: {found.k} of the {n} top patches of the final layer's units show the "
        f"unit's own class ({found.percent(0)}, 95% interval {found.interval(0)}).",
    )


def _purer(runs: Runs) -> Outcome:
    figures: dict[str, Any] = {}
    right, counted = {}, {}
    for network in ("lenet", "shallow"):
        run = runs[network]
        lacking = [label for label in DIFFICULT if label not in run.classes]
        if lacking:
            raise UntestableError(f"{network} has no class {' or '.join(lacking)}")
        right[network] = counted[network] = 0
        figures[network] = {}
        for label in DIFFICULT:
            unit = run.classes.index(label)
            labels = _labels(run, run.layers[-1].name, unit, AVERAGED)
            right[network] += int((labels == unit).sum())
            counted[network] += len(labels)
            figures[network][label] = {
                "own_class": int((labels == unit).sum()),
                "n": len(labels),
                "top_5": [run.classes[each] for each in labels[:TOP]],
            }
    gap, low, high = difference(*((right[name], counted[name]) for name in ("lenet", "shallow")))
    told = " against ".join(
        f"{right[name]} of {counted[name]} in {name}" for name in ("lenet", "shallow")
    )
    return Outcome(
        low > 0,
        {**figures, "difference": gap, "ci95": [low, high]},
        f"Patches of their own class among the top {AVERAGED} of the cat, dog and bird units: "
        f"{told}, {100 * gap:+.0f} points (95% interval {100 * low:+.0f} to {100 * high:+.0f}).",
    )


def _premature(runs: Runs) -> Outcome:
    run = runs["lenet-d"]
    require_layer(run, EARLY_LAYER)
    units = run.layer(EARLY_LAYER).units
    shares = []
    for unit in range(units):
        labels = _labels(run, EARLY_LAYER, unit, AVERAGED)
        pair = Counter(labels.tolist()).most_common(2)
        shares.append(sum(count for _, count in pair) / len(labels))
    pure = sum(share >= PURE for share in shares)
    figures = {"pure": pure, "units": units, "median_share": float(np.median(shares))}
    return Outcome(
        pure >= units / 2,
        figures,
        f"lenet-d: {pure} of {units} units of {EARLY_LAYER} (layer32) have {100 * PURE:g}% of "
        f"their top {AVERAGED} patches in two classes; the median unit has "
        f"{100 * figures['median_share']:.0f}%.",
    )


def _pure_facets(runs: Runs) -> Outcome:
    run = runs["lenet-d"]
    require_layer(run, EARLY_LAYER)
    found = kept_facet_classes(run, EARLY_LAYER)
    if found is None:
        raise UntestableError(
            f"the facets of {EARLY_LAYER} of {run.model} were not kept: "
            f"python -m ndcore evolve {run.model} --facets {EARLY_LAYER} --data .data"
        )
    counts = found.counts.copy()
    counts[np.arange(len(counts)), found.highest] = 0
    sizes = counts.sum(2)
    pair = np.sort(counts, axis=2)[:, :, -2:].sum(2)
    pure = (sizes > 0) & (pair >= PURE * sizes)
    shares = np.where(pure, sizes, 0).sum(1) / np.maximum(sizes.sum(1), 1)
    low, high = mean_interval(shares)
    facets = int((sizes > 0).sum())
    figures: dict[str, Any] = {"pure": int(pure.sum()), "facets": facets, "units": len(counts)}
    figures |= {"share_of_patches": float(shares.mean()), "ci95": [low, high]}
    return Outcome(
        low > 0.5,
        figures,
        f"lenet-d: {figures['pure']} of {facets} facets of the {len(counts)} units of "
        f"{EARLY_LAYER} (layer32), without the one of the highest patch, show two classes in "
        f"{100 * PURE:g}% of their patches; they hold {100 * shares.mean():.1f}% of the patches "
        f"(95% interval {100 * low:.1f} to {100 * high:.1f}%).",
    )


def looks(run: EvolutionRun, layer: str) -> dict[int, NDArray[np.float64]]:
    """Average pictures of a layer's units at the last epoch, by unit.

    Returns:
        Pixels in a row, of mean 0 and length 1, as many for each unit. Units without a picture, of
        another size than most or of one colour are left out.

    Raises:
        UntestableError: fewer than two are left.
        RunError: none were kept, or they are damaged.
    """
    require_layer(run, layer)
    kept = kept_averages(run, layer, int(run.epochs[-1]))
    images = {unit: each.image for unit, each in enumerate(kept) if each.image is not None}
    usual = Counter(image.shape for image in images.values()).most_common(1)
    found = {}
    for unit, image in images.items():
        pixels = image.astype(np.float64).ravel()
        pixels -= pixels.mean()
        if image.shape == usual[0][0] and pixels.any():
            found[unit] = pixels / np.linalg.norm(pixels)
    if len(found) < 2:
        raise UntestableError(f"{run.model} has fewer than two pictures of units of {layer}")
    return found


def likeness(pictures: dict[int, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Per picture its mean correlation with the others, (n,)."""
    rows = np.stack(list(pictures.values()))
    return np.asarray(((rows @ rows.T).sum(1) - 1) / (len(rows) - 1))


def _more_diverse(runs: Runs) -> Outcome:
    apart = {name: 1 - likeness(looks(runs[name], "conv1")) for name in ("lenet", "shallow")}
    held, figures, told = compared(apart, ".3f", "+.3f")
    about = "Mean distance of the pictures of conv1 (1 less their correlation)"
    return Outcome(held, figures, f"{about}: {told}.")


def _same_feature(runs: Runs) -> Outcome:
    lenet, shallow = (looks(runs[name], "conv1") for name in ("lenet", "shallow"))
    one, other = (np.stack(list(pictures.values())) for pictures in (lenet, shallow))
    if one.shape[1] != other.shape[1]:
        raise UntestableError("the pictures of conv1 of lenet and shallow differ in size")
    alike = one @ other.T
    row, col = np.unravel_index(alike.argmax(), alike.shape)
    units = {"lenet": list(lenet)[row], "shallow": list(shallow)[col]}
    best, usual = float(alike.max()), float(np.median(alike.max(1)))
    return Outcome(
        best >= ALIKE,
        {"correlation": best, "units": units, "median_best": usual, "pairs": alike.size},
        f"Unit {units['lenet']} of conv1 in lenet and unit {units['shallow']} in shallow look most "
        f"alike: their pictures correlate by {best:.3f}; a unit of lenet has a counterpart at "
        f"{usual:.3f} in the median.",
    )


def _no_background(runs: Runs) -> Outcome:
    shares = {}
    for network in ("lenet", "shallow"):
        run = runs[network]
        if "bird" not in run.classes:
            raise UntestableError(f"{network} has no class bird")
        unit = run.classes.index("bird")
        image = kept_averages(run, run.layers[-1].name, int(run.epochs[-1]))[unit].image
        if image is None:
            raise UntestableError(f"nothing drives the bird unit of {network}")
        height, width = (side // 4 for side in image.shape[:2])
        inside = np.zeros(image.shape[:2], np.bool_)
        inside[height:-height, width:-width] = True
        shares[network] = float(image[~inside].std() / max(image[inside].std(), 1e-30))
    told = " against ".join(f"{share:.2f} in {network}" for network, share in shares.items())
    return Outcome(
        shares["shallow"] < shares["lenet"],
        {"contrast": shares},
        f"Contrast of the bird unit's picture outside its middle half, relative to within: {told}.",
    )


FINDINGS = (
    Finding(
        id="DV-28a",
        section="4.1.1",
        claim="The units of the final layer of lenet stand for their classes.",
        networks=("lenet",),
        statistic="share of their top 5 patches at the last epoch that show their own class",
        rule="its 95% interval lies above one half (a tenth is chance)",
        check=_final_units,
    ),
    Finding(
        id="DV-28b",
        section="4.1.1",
        claim="The cat, dog and bird units of lenet are clearer than those of shallow.",
        networks=("lenet", "shallow"),
        statistic="share of their top 20 patches (those behind the average image) at the last "
        "epoch that show their own class, lenet less shallow",
        rule="the 95% interval of the difference lies above 0",
        check=_purer,
    ),
    Finding(
        id="DV-28c",
        section="4.1.2",
        claim="lenet-d is premature: units of layer32 (conv15) already detect classes, or pairs "
        "such as truck and car.",
        networks=("lenet-d",),
        statistic="share of a unit's top 20 patches at the last epoch that show its two most "
        "frequent classes",
        rule=f"it is at least {100 * PURE:g}% in at least half of the units",
        check=_premature,
    ),
    Finding(
        id="DV-28d",
        section="4.1.1",
        claim="The features of layer1 are more diverse in lenet than in shallow.",
        networks=("lenet", "shallow"),
        statistic="mean over the other units of 1 less the correlation of average pictures, units "
        "of conv1 at the last epoch, lenet less shallow; bootstrap over units",
        rule="the 95% interval of the difference lies above 0",
        check=_more_diverse,
    ),
    Finding(
        id="DV-28e",
        section="4.1.1",
        claim="A unit of layer1 in lenet and one in shallow detect the same feature.",
        networks=("lenet", "shallow"),
        statistic="largest correlation of the average pictures of two units of conv1, one of each "
        "network, at the last epoch",
        rule=f"it is at least {ALIKE:g}",
        check=_same_feature,
    ),
    Finding(
        id="DV-28f",
        section="4.1.1",
        claim="The bird unit of shallow sees less of the background than that of lenet.",
        networks=("lenet", "shallow"),
        statistic="contrast of the unit's average picture outside its middle half (in height and "
        "width) relative to the contrast within, at the last epoch",
        rule="it is lower in shallow than in lenet",
        check=_no_background,
    ),
    Finding(
        id="DV-28g",
        section="4.1.2",
        claim="Units of layer32 (conv15) of lenet-d have many pure facets besides their highest "
        "activated patterns.",
        networks=("lenet-d",),
        statistic="share of a unit's top 1,000 patches at the last epoch, those in the facet of "
        "the highest one left out, that lie in pure facets (of 10 by k-means; pure: "
        f"{100 * PURE:g}% of its patches show its two most frequent classes); mean over units, "
        "bootstrap over units",
        rule="its 95% interval lies above one half",
        check=_pure_facets,
    ),
)
