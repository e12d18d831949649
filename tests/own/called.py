"""What can only be called: functions of 8x8 grey images, and what looks like one."""

from __future__ import annotations

from functools import cache

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from torch import nn


@cache
def classifier() -> RandomForestClassifier:
    """Learnt from half of the digits, as whole numbers 0 to 255."""
    digits = load_digits()
    rows = np.rint(digits.images * (255 / 16)).reshape(len(digits.images), -1)
    return RandomForestClassifier(60, random_state=0).fit(rows[::2], digits.target[::2])


def forest(images: np.ndarray) -> np.ndarray:
    assert images.dtype == np.uint8
    return classifier().predict_proba(images.reshape(len(images), -1))


def make_forest() -> object:
    return forest


class Forest:
    def __call__(self, images: np.ndarray) -> np.ndarray:
        return forest(images)


def with_labels(images: np.ndarray) -> dict[str, np.ndarray]:
    found = forest(images)
    return {"label": found.argmax(1), "probability": found}


def scores(images: np.ndarray) -> list[list[float]]:
    """Logits, as lists."""
    return (10 * forest(images) - 3).tolist()


def certain(images: np.ndarray) -> np.ndarray:
    """Nothing but 0 and 1."""
    return np.eye(10)[forest(images).argmax(1)]


def labels(images: np.ndarray) -> np.ndarray:
    return forest(images).argmax(1)


def words(images: np.ndarray) -> np.ndarray:
    return np.full((len(images), 10), "no")


def changing(images: np.ndarray) -> np.ndarray:
    found = np.random.default_rng().random((len(images), 10))
    return found / found.sum(1, keepdims=True)


def of_two(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return images


def nothing() -> None:
    return None


MODULE = nn.Flatten()
FINE = ("forest", "make_forest", "Forest", "with_labels", "scores", "certain")
REFUSED = {
    "labels": r"must return logits \(N, classes\)",
    "words": "must answer with numbers",
    "changing": "in another way each time",
    "of_two": "neither a function without arguments .* nor one that takes images alone",
    "nothing": "returned no torch.nn.Module, nor a function of images",
    "MODULE": "is a module itself: name a function that returns it",
    "missing": "cannot import model factory",
}
