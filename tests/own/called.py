"""What can only be called: functions of 8x8 grey images, and what looks like one."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.special import softmax
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from torch import nn


@cache
def learnt() -> tuple[np.ndarray, np.ndarray]:
    """Half of the digits, as whole numbers 0 to 255, (N, 64), and their labels."""
    digits = load_digits()
    rows = np.rint(digits.images * (255 / 16)).reshape(len(digits.images), -1)
    return rows[::2], digits.target[::2]


@cache
def classifier() -> RandomForestClassifier:
    return RandomForestClassifier(20, random_state=0).fit(*learnt())


def forest(images: np.ndarray) -> np.ndarray:
    assert images.dtype == np.uint8
    return classifier().predict_proba(images.reshape(len(images), -1))


@cache
def means() -> np.ndarray:
    rows, labels = learnt()
    return np.stack([rows[labels == label].mean(0) for label in range(10)])


def nearest(images: np.ndarray) -> np.ndarray:
    """Probabilities by the distance from each class's mean."""
    apart = ((images.reshape(len(images), 1, -1) - means()) ** 2).sum(2)
    return softmax(-apart / 20_000, axis=1)


def make() -> object:
    return nearest


class Nearest:
    def __call__(self, images: np.ndarray) -> np.ndarray:
        return nearest(images)


def with_labels(images: np.ndarray) -> dict[str, np.ndarray]:
    found = nearest(images)
    return {"label": found.argmax(1), "probability": found}


def scores(images: np.ndarray) -> list[list[float]]:
    """Logits, as lists."""
    return (10 * nearest(images) - 3).tolist()


def certain(images: np.ndarray) -> np.ndarray:
    """Nothing but 0 and 1."""
    return np.eye(10)[nearest(images).argmax(1)]


def labels(images: np.ndarray) -> np.ndarray:
    return nearest(images).argmax(1)


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
FINE = ("forest", "nearest", "make", "Nearest", "with_labels", "scores", "certain")
REFUSED = {
    "labels": r"must return logits \(N, classes\)",
    "words": "must answer with numbers",
    "changing": "in another way each time",
    "of_two": "neither a function without arguments .* nor one that takes images alone",
    "nothing": "returned no torch.nn.Module, nor a function of images",
    "MODULE": "is a module itself: name a function that returns it",
    "missing": "cannot import model factory",
}
