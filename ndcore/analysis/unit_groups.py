"""Groups of units, of any layers, that answer alike to the classes.

The distance of two units is that of Training Evolution: Wasserstein-2 between their activations,
summed over classes. Every unit is first brought to one scale, because layers differ in theirs.

Reference: Zhong et al. 2017, "Evolutionary visual analysis of deep neural networks", equation 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from ndcore.activations.observed import Observed
from ndcore.concept_graph.graph import Unit
from ndcore.evolution.metrics import unit_distances

GROUPS = 8
QUANTILES = tuple(float(q) for q in np.linspace(0.05, 0.95, 10))
MOST_CLASSES = 40  # that tell units apart; of more, the first ones with images


def unit_groups(of: Observed, units: Sequence[Unit], groups: int = GROUPS) -> dict[Unit, int]:
    """Units in groups by average linkage; a unit that nobody is like is in none.

    Args:
        of: gives the distributions.
        units: to be grouped.
        groups: at most so many.

    Returns:
        Unit -> its group, the largest group first.
    """
    if len(units) < 2:
        return {}
    layers = {layer: _quantiles(of, layer) for layer in dict.fromkeys(u.layer for u in units)}
    values = np.stack([_scaled(layers[layer][:, unit]) for layer, unit in units], axis=1)
    tree = linkage(squareform(unit_distances(values), checks=False), "average")
    labels = fcluster(tree, groups, "maxclust")
    sizes = np.bincount(labels)
    order = [int(label) for label in np.argsort(-sizes, kind="stable") if sizes[label] > 1]
    return {
        unit: order.index(label)
        for unit, label in zip(units, labels.tolist(), strict=True)
        if label in order
    }


def _quantiles(of: Observed, layer: str) -> NDArray[np.float64]:
    """For each class and unit (classes, units, quantiles)."""
    histograms = of.usual(layer)
    found = histograms.quantiles(QUANTILES, histograms.held[:MOST_CLASSES])
    return np.moveaxis(found, 0, -1).astype(np.float64)


def _scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values whose largest amount is 1."""
    return values / (float(np.abs(values).max(initial=0.0)) or 1.0)
