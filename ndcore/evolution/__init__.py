"""Deep View: how a network evolves while it is trained.

Reference: Zhong et al. 2017, "Evolutionary visual analysis of deep neural networks".
"""

from __future__ import annotations

from ndcore.evolution.averages import (
    UnitAverage,
    average_of,
    keep_averages,
    kept_averages,
    kept_epochs,
)
from ndcore.evolution.clusters import UnitClusters, cluster_units
from ndcore.evolution.facets import Facets, facets_of
from ndcore.evolution.layers import WatchedLayer
from ndcore.evolution.patches import (
    Patches,
    clearness,
    cut_patches,
    trimmed,
    weighted_average,
)
from ndcore.evolution.recording.recordings import list_runs, load_run, run_folders
from ndcore.evolution.rules import RULES, Rule, Warned
from ndcore.evolution.run import EvolutionRun
from ndcore.evolution.trends import change_after, correlations, lowered_after
from ndcore.evolution.vulnerability import (
    EpochVulnerability,
    Vulnerability,
    VulnerabilityConfig,
)

__all__ = [
    "RULES",
    "EpochVulnerability",
    "EvolutionRun",
    "Facets",
    "Patches",
    "Rule",
    "UnitAverage",
    "UnitClusters",
    "Vulnerability",
    "VulnerabilityConfig",
    "Warned",
    "WatchedLayer",
    "average_of",
    "change_after",
    "clearness",
    "cluster_units",
    "correlations",
    "cut_patches",
    "facets_of",
    "keep_averages",
    "kept_averages",
    "kept_epochs",
    "list_runs",
    "load_run",
    "lowered_after",
    "run_folders",
    "trimmed",
    "weighted_average",
]
