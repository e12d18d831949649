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
from ndcore.attacks.result import AttackProgress, AttackResult
from ndcore.errors import BadRequestError
from ndcore.networks.forward import device_of, first_line, forward, laid_out, to_images
from ndcore.steps import ShouldStop, is_stopped

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


class _StopError(Exception):
    """Leaves foolbox in the middle of an attack."""


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
    """A model that counts the images it sees and can be stopped before any of them."""

    def __init__(self, model: nn.Module, should_stop: ShouldStop) -> None:
        super().__init__()
        # A copy, so that no gradient reaches the parameters of a model that others use.
        own = copy.deepcopy(model).requires_grad_(False)
        self.model = laid_out(own)
        self.queries = self.classes = 0
        self.label: int | None = None  # whose probability `lowest` and `highest` follow
        self.lowest = self.highest = float("nan")
        self.on_query: Callable[[], None] = lambda: None
        self._should_stop = should_stop
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        if is_stopped(self._should_stop):
            raise _StopError
        self.queries += len(images)
        logits = self.model(images.contiguous(memory_format=torch.channels_last))
        assert isinstance(logits, Tensor)
        self.classes = logits.shape[1]
        if self.label is not None:
            probability = float(logits.detach().softmax(1)[0, self.label])
            self.lowest = min(self.lowest, probability)
            self.highest = max(self.highest, probability)
        self.on_query()
        return logits


def attack_with_gradients(
    model: nn.Module,
    pixels: NDArray[np.uint8],
    labels: Sequence[int] | NDArray[np.integer],
    ids: Sequence[str],
    config: AttackConfig,
    *,
    on_progress: Callable[[AttackProgress], None] | None = None,
    on_result: Callable[[int, AttackResult], None] | None = None,
    should_stop: ShouldStop = None,
) -> list[AttackResult]:
    """Attack images with an engine that has no search; see `ndcore.attacks.attack_images`.

    `queries` counts the forward passes of an image; the backward passes are not counted.

    Raises:
        BadRequestError: the engine has no targeted form, or the model no gradient.
    """
    if config.target is not None and not ENGINES[config.engine].targeted:
        able = [name for name in METHODS if ENGINES[name].targeted]
        raise BadRequestError(f"{config.engine} has no targeted form here: use {' or '.join(able)}")
    results: list[AttackResult] = []
    # Callers may forbid gradients around us.
    with torch.inference_mode(False), torch.enable_grad():
        watched = _Watched(model, should_stop)
        _require_gradient(watched, pixels[:1], config.engine)
        for index, (image, label) in enumerate(zip(pixels, labels, strict=True)):
            if is_stopped(should_stop):
                break

            def look(index: int = index) -> None:
                if on_progress and watched.queries % LOOK_EVERY == 1:
                    on_progress(_look(watched, index, len(pixels), results, ids[index], config))

            watched.on_query = look
            result = _attack_one(model, watched, image, int(label), ids[index], config)
            results.append(result)
            if on_result:
                on_result(index, result)
            if result.stopped:
                break
    return results


def _require_gradient(watched: _Watched, image: NDArray[np.uint8], engine: str) -> None:
    """Refuse a model whose answer does not follow the image as far as torch can tell."""
    try:
        seen = to_images(image).to(device_of(watched)).requires_grad_()
        watched(seen).sum().backward()
        why = "" if seen.grad is not None else "its answer does not hang on the image"
    except _StopError:
        return
    except RuntimeError as error:
        why = first_line(error)
    if why:
        raise BadRequestError(
            f"the model gives no gradient for {engine} to follow ({why}): use fast or de instead"
        )


def _attack_one(
    model: nn.Module,
    watched: _Watched,
    image: NDArray[np.uint8],
    label: int,
    image_id: str,
    config: AttackConfig,
) -> AttackResult:
    started = time.monotonic()
    before = _plain(model, image)
    watched.queries = 0
    watched.label = label if config.target is None else config.target
    watched.lowest = watched.highest = float(before[watched.label])
    skipped = int(before.argmax()) != label or config.target == label
    attacked, after, success, stopped = image, before, False, False
    problem = Problem(image, label, config.target, 1, lambda positions: positions[:, 0])
    missed_by = _misses(problem, before)
    try:
        for trial in [] if skipped else _trials(watched, image, label, image_id, config):
            found = _plain(model, trial)
            success = bool(problem.flips(found[None])[0])
            if success or _misses(problem, found) < missed_by:
                attacked, after, missed_by = trial, found, _misses(problem, found)
            if success:
                break
    except _StopError:
        stopped = True
    return AttackResult.of(
        image,
        attacked,
        before,
        after,
        id=image_id,
        true=label,
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
    watched: _Watched, image: NDArray[np.uint8], label: int, image_id: str, config: AttackConfig
) -> Iterator[NDArray[np.uint8]]:
    """8-bit images (H, W, C) to judge, in this order; empty where foolbox found nothing."""
    device = device_of(watched)
    benign = to_images(image[None]).to(device)
    classes = torch.tensor([label if config.target is None else config.target], device=device)
    criterion = (
        Misclassification(classes) if config.target is None else TargetedMisclassification(classes)
    )
    bound = {"epsilon": config.epsilon / 255} if ENGINES[config.engine].bounded else {}
    wrapped = PyTorchModel(watched, bounds=(0, 1), device=device)
    rng = np.random.default_rng([config.seed, zlib.crc32(image_id.encode())])
    found = METHODS[config.engine].make(rng).run(wrapped, benign, criterion, **bound).detach()
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


def _look(
    watched: _Watched,
    index: int,
    images: int,
    results: list[AttackResult],
    image_id: str,
    config: AttackConfig,
) -> AttackProgress:
    return AttackProgress(
        images=images,
        done=len(results),
        succeeded=sum(result.success for result in results),
        total_queries=sum(result.queries for result in results) + watched.queries,
        index=index,
        id=image_id,
        stage=f"{config.engine}, image {index + 1} of {images}",
        queries=watched.queries,
        max_queries=_most_queries(config, watched.classes),
        best_confidence=watched.lowest if config.target is None else watched.highest,
        history=(),
        candidates=np.zeros((0, 2), np.int64),
        active=((index, watched.queries / _most_queries(config, watched.classes)),),
    )
