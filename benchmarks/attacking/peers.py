"""One-pixel attacks of other libraries behind one small interface.

Every peer gets the plain model in eval mode, the population and generations of a setting, its own
early stopping, and inference batches of 128 to 400 (its own choice). It returns an 8-bit image;
whether that is a success is judged by the caller's rule. The population counts candidates.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import differential_evolution
from scipy.special import softmax
from torch import Tensor, nn

from ndcore.data.pixels import paint
from ndcore.networks.forward import to_images


class _FoundError(Exception):
    """Leaves scipy's solver."""


@dataclass(frozen=True)
class Setting:
    """Population and generations after the first; their product bounds the queries."""

    population: int
    generations: int

    @property
    def queries(self) -> int:
        """Candidates at most."""
        return self.population * (self.generations + 1)


class Counter(nn.Module):
    """Counts the images that pass through a model."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.images = 0

    def forward(self, images: Tensor) -> Tensor:
        """As the model, and counted."""
        self.images += len(images)
        found = self.model(images)
        assert isinstance(found, Tensor)
        return found


Peer = Callable[[nn.Module, NDArray[np.uint8], int, Setting, int], NDArray[np.uint8]]


def _torchattacks(
    model: nn.Module, image: NDArray[np.uint8], label: int, setting: Setting, seed: int
) -> NDArray[np.uint8]:
    import torchattacks

    np.random.seed(seed)  # noqa: NPY002  (it offers no seed of its own)
    attack = torchattacks.OnePixel(
        model, pixels=1, steps=setting.generations, popsize=setting.population
    )
    found = attack(to_images(image[None]), torch.tensor([label]))
    return _eight_bits(found[0].permute(1, 2, 0).numpy() * 255)


def _art(
    model: nn.Module, image: NDArray[np.uint8], label: int, setting: Setting, seed: int
) -> NDArray[np.uint8]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from art.attacks.evasion import PixelAttack, pixel_threshold
        from art.estimators.classification import PyTorchClassifier

    np.random.seed(seed)  # noqa: NPY002  (it offers no seed of its own)
    height, width, channels = image.shape
    classifier = PyTorchClassifier(
        # It minimises whatever the model returns; with probabilities it does what is published.
        nn.Sequential(model, nn.Softmax(dim=1)).eval(),
        loss=nn.CrossEntropyLoss(),
        input_shape=(channels, height, width),
        nb_classes=_classes(model, image),
        clip_values=(0, 255),
        preprocessing=(0, 255),
        device_type="cpu",
    )
    attack = PixelAttack(classifier, th=1, es=1, max_iter=setting.generations)
    # Its population is fixed at 400; ours is passed through the solver that it calls.
    solver = pixel_threshold.differential_evolution

    def sized(*args: Any, **kwargs: Any) -> Any:
        kwargs["popsize"] = max(1, setting.population // (2 + channels))
        return solver(*args, **kwargs)

    pixel_threshold.differential_evolution = sized
    try:
        batch = image.transpose(2, 0, 1)[None].astype(np.float32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = attack.generate(batch, np.eye(classifier.nb_classes)[[label]])
    finally:
        pixel_threshold.differential_evolution = solver
    return _eight_bits(np.asarray(found[0]).transpose(1, 2, 0))


def _scipy(
    model: nn.Module, image: NDArray[np.uint8], label: int, setting: Setting, seed: int
) -> NDArray[np.uint8]:
    height, width, channels = image.shape
    hit: list[NDArray[np.uint8]] = []

    @torch.inference_mode()
    def confidence(genes: Any) -> Any:
        values = np.rint(genes.T).astype(np.int64)
        images = paint(image, values[:, None, :2], values[:, None, 2:].astype(np.uint8))
        logits = model(to_images(images)).numpy()
        hit.extend(images[logits.argmax(1) != label][:1])
        if hit:  # its callback would come a generation later
            raise _FoundError
        return softmax(logits.astype(np.float64), axis=1)[:, label]

    bounds: Any = [(0, height - 1), (0, width - 1), *[(0, 255)] * channels]

    try:
        found = differential_evolution(
            confidence,
            bounds,
            strategy="rand1bin",
            popsize=setting.population // (2 + channels),
            maxiter=setting.generations,
            mutation=0.5,
            recombination=1.0,
            tol=0,
            polish=False,
            vectorized=True,
            updating="deferred",
            integrality=[True] * (2 + channels),
            rng=seed,
        )
    except _FoundError:
        return hit[0]
    values = np.rint(found.x).astype(np.int64)
    best: NDArray[np.uint8] = paint(
        image, values[None, None, :2], values[None, None, 2:].astype(np.uint8)
    )[0]
    return best


PEERS: dict[str, tuple[str, Peer]] = {
    "torchattacks OnePixel": ("torchattacks", _torchattacks),
    "ART PixelAttack": ("art", _art),
    "scipy differential_evolution": ("scipy", _scipy),
}


def installed(peer: str) -> bool:
    """Whether the library of a peer can be imported."""
    return importlib.util.find_spec(PEERS[peer][0]) is not None


def _eight_bits(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    rounded: NDArray[np.uint8] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded


@torch.inference_mode()
def _classes(model: nn.Module, image: NDArray[np.uint8]) -> int:
    inner = model.model if isinstance(model, Counter) else model
    assert isinstance(inner, nn.Module)
    return int(inner(to_images(image[None])).shape[1])
