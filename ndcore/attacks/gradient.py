"""White-box attacks of foolbox that change every pixel a little, to compare one-pixel attacks with.

Images are attacked one by one, so that each ends the same alone or among hundreds. What an attack
finds is rounded to 8 bits before it is judged, and a change that hardly crosses the boundary often
dies in that rounding. Where nothing bounds the change (`deepfool`, `cw`) it is then lengthened
step by step (`LENGTHS`) until it holds; every trial counts as a query.
"""

from __future__ import annotations

import copy
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor, nn

from ndcore.attacks.config import AttackConfig
from ndcore.attacks.engines import ENGINES
from ndcore.attacks.engines.search import Problem
from ndcore.attacks.result import AttackResult
from ndcore.attacks.task import Task
from ndcore.attacks.watch import Watch
from ndcore.errors import BadRequestError, StoppedError
from ndcore.networks.forward import device_of, forward, laid_out, to_images
from ndcore.networks.steepest import gradient_of
from ndcore.networks.stoppable import stoppable

with warnings.catch_warnings():  # foolbox imports names that SciPy has moved
    warnings.simplefilter("ignore")
    from eagerpy.astensor import astensor
    from foolbox.attacks.carlini_wagner import L2CarliniWagnerAttack
    from foolbox.attacks.deepfool import L2DeepFoolAttack
    from foolbox.attacks.fast_gradient_method import LinfFastGradientAttack
    from foolbox.attacks.projected_gradient_descent import LinfProjectedGradientDescentAttack
    from foolbox.criteria import Misclassification, TargetedMisclassification
    from foolbox.models.pytorch import PyTorchModel

PGD_STEPS = 40
PGD_STEP = 0.25  # of epsilon, as Madry et al.; foolbox's own 1/30 leaves much unfound here
DEEPFOOL_STEPS = 50
DEEPFOOL_CLASSES = 10
CW_ROUNDS, CW_STEPS = 5, 60  # of the search for the weight, of Adam in each
LENGTHS = (1.0, 1.05, 1.1, 1.25, 1.5, 2.0)  # of the change, until it survives rounding
LOOK_EVERY = 20  # queries
TINY = 1e-30  # probability whose logarithm is taken for none


class _SeededPGD(LinfProjectedGradientDescentAttack):
    """PGD whose random start is this image's own and leaves torch's generator alone."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__(steps=PGD_STEPS, rel_stepsize=PGD_STEP)
        self._rng = rng

    def get_random_start(self, x0: Any, epsilon: float) -> Any:
        """A point of the epsilon ball around the image."""
        noise = self._rng.uniform(-epsilon, epsilon, x0.shape).astype(np.float32)
        return x0 + astensor(torch.from_numpy(noise).to(x0.raw.device))


@dataclass(frozen=True)
class _Method:
    """How foolbox runs an engine, and its forward passes for one image among so many classes."""

    make: Callable[[np.random.Generator], Any]
    passes: Callable[[int], int]


METHODS = {
    "fgsm": _Method(lambda rng: LinfFastGradientAttack(), lambda classes: 1),
    "pgd": _Method(_SeededPGD, lambda classes: PGD_STEPS),
    "deepfool": _Method(
        lambda rng: L2DeepFoolAttack(steps=DEEPFOOL_STEPS, candidates=DEEPFOOL_CLASSES),
        lambda classes: 1 + DEEPFOOL_STEPS * (max(2, min(DEEPFOOL_CLASSES, classes)) - 1),
    ),
    "cw": _Method(
        lambda rng: L2CarliniWagnerAttack(
            binary_search_steps=CW_ROUNDS, steps=CW_STEPS, stepsize=0.02, initial_const=0.1
        ),
        lambda classes: CW_ROUNDS * CW_STEPS,
    ),
}


class _Watched(nn.Module):
    """A model that counts the images it sees, for the image that is attacked (see `Underway`)."""

    def __init__(self, model: nn.Module, config: AttackConfig, watch: Watch) -> None:
        super().__init__()
        # A copy, so that no gradient reaches the parameters of a model that others use.
        own = copy.deepcopy(model).requires_grad_(False)
        self.model = laid_out(own)
        self._config, self._watch = config, watch
        self.eval()

    def begin(self, task: Task) -> None:
        """From now on it is this image."""
        self.index, self.id = task.index, task.id
        self.queries, self.budget = 0, _most_queries(self._config, len(task.logits))
        target = self._config.target
        self._label, self._better = (task.label, min) if target is None else (target, max)
        self._best = float(task.probabilities[self._label])

    def forward(self, images: Tensor) -> Tensor:
        self.queries += len(images)
        logits = self.model(images.contiguous(memory_format=torch.channels_last))
        assert isinstance(logits, Tensor)
        probability = float(logits.detach().softmax(1)[0, self._label])
        self._best = self._better(self._best, probability)
        if self.queries % LOOK_EVERY == 1:
            self._watch.look([self])
        return logits

    def look(self) -> dict[str, Any]:
        """What the attack is doing, see `AttackProgress`."""
        return {
            "stage": f"{self._config.engine}, image {self.index + 1} of {self._watch.images}",
            "best_confidence": self._best,
            "history": (),
            "candidates": np.zeros((0, 2), np.int64),
        }


def attack_with_gradients(
    model: nn.Module, tasks: Sequence[Task], config: AttackConfig, watch: Watch
) -> list[AttackResult]:
    """Attack images with an engine that has no search; see `ndcore.attacks.attack_images`.

    `queries` counts the forward passes of an image; the backward passes are not counted.

    Raises:
        BadRequestError: the engine has no targeted form, or the model no gradient.
    """
    if config.target is not None and not ENGINES[config.engine].targeted:
        able = [name for name in METHODS if ENGINES[name].targeted]
        raise BadRequestError(f"{config.engine} has no targeted form here: use {' or '.join(able)}")
    # Callers may forbid gradients around us.
    with torch.inference_mode(False), torch.enable_grad():
        watched = _Watched(model, config, watch)
        gradient_of(watched.model, tasks[0].image, torch.sum)  # refuses a model that has none
        for task in tasks:
            if watch.stopped:
                break
            watch.ended(task.index, _attack_one(model, watched, task, config, watch))
    return watch.in_order


def _attack_one(
    model: nn.Module, watched: _Watched, task: Task, config: AttackConfig, watch: Watch
) -> AttackResult:
    started = time.monotonic()
    watched.begin(task)
    image, before = task.image, task.probabilities
    attacked, after, success, stopped = image, before, False, False
    problem = Problem(image, task.label, config.target, 1, lambda positions: positions[:, 0])
    missed_by = _misses(problem, before)
    skipped = task.skipped(config.target)
    try:
        for trial in [] if skipped else _trials(watched, task, config, watch):
            found = _plain(model, trial)
            success = bool(problem.flips(found[None])[0])
            if success or _misses(problem, found) < missed_by:
                attacked, after, missed_by = trial, found, _misses(problem, found)
            if success:
                break
    except StoppedError:
        if not watch.stopped:  # it was somebody further out who asked
            raise
        stopped = True
    return AttackResult.of(
        image,
        attacked,
        before,
        after,
        id=task.id,
        true=task.label,
        success=success,
        stopped=stopped,
        skipped=skipped,
        queries=watched.queries,
        first_hit=watched.queries if success else None,
        forwards=watched.queries,
        found_by=config.engine,
        precision="float32",
        seconds=time.monotonic() - started,
        history=(),
        config=config,
    )


def _misses(problem: Problem, probabilities: NDArray[np.float32]) -> float:
    return float(problem.misses(np.log(np.maximum(probabilities, TINY)[None]))[0])


def _trials(
    watched: _Watched, task: Task, config: AttackConfig, watch: Watch
) -> Iterator[NDArray[np.uint8]]:
    """8-bit images (H, W, C) to judge, in this order; empty where foolbox found nothing.

    Raises:
        StoppedError: before foolbox was through; what it found is tried to the end.
    """
    device, image, label = device_of(watched), task.image, task.label
    benign = to_images(image[None]).to(device)
    classes = torch.tensor([label if config.target is None else config.target], device=device)
    criterion = (
        Misclassification(classes) if config.target is None else TargetedMisclassification(classes)
    )
    bound = {"epsilon": config.epsilon / 255} if ENGINES[config.engine].bounded else {}
    wrapped = PyTorchModel(watched, bounds=(0, 1), device=device)
    rng = np.random.default_rng([config.seed, zlib.crc32(task.id.encode())])
    method = METHODS[config.engine].make(rng)
    with stoppable(watch.should_stop):
        found = method.run(wrapped, benign, criterion, **bound).detach()
    if not found.any() and image.any():  # Carlini & Wagner's answer when it has none
        return
    values = (found[0] * 255).permute(1, 2, 0).double().cpu().numpy()
    tried = image
    for length in (1.0,) if bound else LENGTHS:
        longer = image + length * (values - image)
        trial = np.rint(longer).clip(0, 255).astype(np.uint8)
        if np.array_equal(trial, tried):
            continue
        tried = trial
        watched.queries += 1
        yield trial


def _most_queries(config: AttackConfig, classes: int) -> int:
    """Forward passes for one image, at most."""
    trials = 1 if ENGINES[config.engine].bounded else len(LENGTHS)
    return METHODS[config.engine].passes(classes) + trials


def _plain(model: nn.Module, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities (classes,) in a plain float32 pass of this image alone."""
    return np.asarray(softmax(forward(model, image[None])[0].float().cpu().numpy()), np.float32)
