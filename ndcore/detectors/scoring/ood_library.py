"""Detectors of out-of-distribution images from pytorch-ood, on the features measured already.

References:
    Kirchheim, Filax & Ortmeier 2022, "PyTorch-OOD: a library for out-of-distribution detection
    based on PyTorch".
    Wang et al. 2022, "ViM: out-of-distribution with virtual-logit matching".
    Ren et al. 2021, "A simple fix to Mahalanobis distance for improving near-OOD detection".
    Park, Jung & Teoh 2023, "Nearest neighbor guidance for out-of-distribution detection".
    Liu & Qin 2024, "Fast decision boundary based out-of-distribution detector".
    Liu, Lochman & Zach 2023, "GEN: pushing the limits of softmax-based OOD detection".
    Hendrycks et al. 2022, "Scaling out-of-distribution detection for real-world settings"
    (KL matching).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ndcore.detectors.scoring.detector import FeatureDetector, Measured
from ndcore.detectors.scoring.reference import Reference
from ndcore.statistics.one_thread import one_thread

# The library is imported where it is used: it takes a second, and pages only name its detectors.

PRINCIPAL_SHARE = 8  # ViM keeps one in so many dimensions of the features
NEAREST = 10
# The head is taken for linear where no logit is missed by more than this share of the largest.
LINEAR = 1e-4


def linear_head(reference: Reference) -> nn.Linear | None:
    """The layer between the penultimate features and the logits; None where it is not linear.

    Solved from the reference images, so that no model has to be taken apart.
    """
    features, logits = reference.penultimate.astype(np.float64), reference.logits
    inputs = np.concatenate([features, np.ones((len(features), 1))], 1)
    solved = np.linalg.lstsq(inputs, logits.astype(np.float64), rcond=None)[0]
    if np.abs(inputs @ solved - logits).max() > LINEAR * np.abs(logits).max():
        return None
    head = nn.Linear(features.shape[1], logits.shape[1])
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(solved[:-1].T))
        head.bias.copy_(torch.from_numpy(solved[-1]))
    return head.requires_grad_(False).eval()


class _OnFeatures(FeatureDetector):
    """A detector of the library that looks at penultimate features.

    Without a linear head, where it needs one, all images score alike.
    """

    kind = "baseline"

    def __init__(
        self,
        name: str,
        title: str,
        about: str,
        make: Callable[[nn.Linear, Reference], Any],
        needs_head: bool = True,
    ) -> None:
        self.name, self.title, self.about = name, title, f"{about} (pytorch-ood)"
        self._make, self._needs_head = make, needs_head

    def prepare(self, reference: Reference, dev: Measured) -> Self:
        self._known: Any = None
        with one_thread():
            head = linear_head(reference)
            if head is not None or not self._needs_head:
                known = self._make(head or nn.Linear(1, 1), reference)
                features = torch.from_numpy(reference.penultimate)
                self._known = known.fit_features(features, torch.from_numpy(reference.labels))
        return self

    def score(self, seen: Measured) -> NDArray[np.float64]:
        if self._known is None:
            return np.zeros(len(seen))
        features = torch.from_numpy(seen.features.penultimate)
        with one_thread():
            return _numbers(self._known.predict_features(features))


class _OnLogits(FeatureDetector):
    """A detector of the library that looks at logits."""

    kind = "baseline"

    def __init__(self, name: str, title: str, about: str, kind: str) -> None:
        self.name, self.title, self.about = name, title, f"{about} (pytorch-ood)"
        self._kind = kind

    def prepare(self, reference: Reference, dev: Measured) -> Self:
        self._known = _made(self._kind)
        if self._known.requires_fit:
            labels = torch.from_numpy(reference.labels)
            self._known.fit_logits(torch.from_numpy(reference.logits), labels)
        return self

    def score(self, seen: Measured) -> NDArray[np.float64]:
        return _numbers(self._known.predict_logits(torch.from_numpy(seen.features.logits)))


def library_detectors() -> list[FeatureDetector]:
    """All of them, unfitted."""
    return [
        _OnFeatures(
            "vim",
            "last features outside their usual space",
            "virtual-logit matching: features outside their principal space, against the energy",
            lambda head, known: _made(
                "ViM",
                max(1, known.penultimate.shape[1] // PRINCIPAL_SHARE),
                head.weight,
                head.bias,
            ),
        ),
        _OnFeatures(
            "relative-mahalanobis",
            "last features that fit no class better than all",
            "Mahalanobis distance to the nearest class less that to all images",
            lambda head, known: _made("RMD"),
            needs_head=False,
        ),
        _OnFeatures(
            "nnguide",
            "a weak response, guided by known images",
            "energy guided by the nearest reference images",
            lambda head, known: _made("NNGuide", head, k=min(NEAREST, len(known.labels))),
        ),
        _OnFeatures(
            "fdbd",
            "last features near a border of classes",
            "distance of the features to the decision boundaries",
            lambda head, known: _made("fDBD", head),
        ),
        _OnLogits(
            "gen",
            "undecided probabilities, generalised",
            "generalised entropy of the probabilities",
            "GEN",
        ),
        _OnLogits(
            "kl-matching",
            "probabilities unlike any class's",
            "KL of the probabilities from the nearest class's mean",
            "KLMatching",
        ),
    ]


def _made(kind: str, *arguments: Any, **options: Any) -> Any:
    """A detector of the library without a model of its own: it is fed with features."""
    return getattr(import_module("pytorch_ood.detector"), kind)(None, *arguments, **options)


def _numbers(scores: Tensor) -> NDArray[np.float64]:
    return np.asarray(scores.detach().numpy(), np.float64)
