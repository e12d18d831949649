"""One look at a model before anything is done with it: what it takes and what it answers.

What keeps it from the contract is found, and the form that brings it there; or why none does, in
one sentence that says what to do.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.nn.modules import batchnorm, dropout

from ndcore.errors import BadRequestError, NeuralDivergenceError
from ndcore.networks.called.stored import Stored
from ndcore.networks.form import PLAIN, Finding, Form, adapted, answers_in
from ndcore.networks.forward import first_line, forward, to_images
from ndcore.networks.registry import COLOURS

SUMS = 1e-2  # how far from 1 the probabilities of an image may add up, in any precision
MODAL = (dropout._DropoutNd, batchnorm._NormBase)  # what training mode alters
ALIKE = 1e-3  # of the largest logit: two answers to one image
REMEDY_FOR_RANDOM = (
    "let it use `self.training`, as F.dropout(x, p, self.training) does, so that eval mode is quiet"
)


def probe(
    module: nn.Module,
    pixels: NDArray[np.uint8],
    classes: int | None = None,
    output: str = "",
) -> tuple[Form, tuple[Finding, ...]]:
    """What form a module is to be brought into, and everything found on the way.

    Args:
        module: put into eval mode and float32.
        pixels: uint8 (n, H, W, C), some images of the data.
        classes: how many it should tell apart, where that is known.
        output: which part of its answer to take; "" finds it.

    Returns:
        The form, and the findings; with one that stops, the form means nothing.
    """
    if isinstance(module, Stored):
        told = f"activations of {len(module.held):,} images are stored instead of a model"
        return PLAIN, (Finding(told, remedy="nothing can be asked of a changed image"),)
    found = list(_weights(module))
    if module.training and any(isinstance(part, MODAL) for part in module.modules()):
        found.append(Finding("the model is put into eval mode"))
    module = adapted(module.eval(), PLAIN)
    noise = np.random.default_rng(0).integers(0, 256, pixels.shape).astype(np.uint8)
    images = np.concatenate([pixels, noise])
    try:
        form = _form(module, images, classes, output)
        found += _answers(adapted(module, form), images, form, classes)
    except BadRequestError as error:
        return PLAIN, (*found, Finding(str(error), stops=True))
    return form, tuple(found)


def _weights(module: nn.Module) -> Iterator[Finding]:
    kinds = {
        str(tensor.dtype).removeprefix("torch.")
        for tensor in (*module.parameters(), *module.buffers())
        if tensor.is_floating_point() and tensor.dtype != torch.float32
    }
    if kinds:
        yield Finding(
            f"the model holds {' and '.join(sorted(kinds))} weights",
            remedy="they are used as float32, in which everything is computed",
        )
    wrong = [
        name
        for name, tensor in module.state_dict().items()
        if isinstance(tensor, Tensor)
        and tensor.is_floating_point()
        and not bool(torch.isfinite(tensor).all())
    ]
    if wrong:
        yield Finding(
            f"weight '{wrong[0]}' holds values that are no numbers",
            stops=True,
            remedy="train the model again, with a lower learning rate",
        )


def _form(module: nn.Module, images: NDArray[np.uint8], classes: int | None, output: str) -> Form:
    batch = to_images(images)
    answer = answer_of(module, batch)
    answers = answers_in(answer, len(images))
    if output:
        if output not in answers:
            has = ", ".join(name or "one tensor" for name in answers) or "nothing like that"
            raise BadRequestError(f"the model's answer has no logits '{output}': it has {has}")
        name = output
    else:
        name = _which(answer, answers, classes)
    writes = not torch.equal(batch, to_images(images))
    told = answers[name].float()
    adds_up = bool(((told.sum(1) - 1).abs() < SUMS).all()) and told.shape[1] > 1
    return Form(
        output=name or _in_training(module, images),
        probabilities=adds_up and bool((told >= 0).all()),
        writes=writes,
        closed=_closed(module, images),
    )


def answer_of(module: nn.Module, batch: Tensor) -> Any:
    """Whatever a module answers to images (n, C, H, W).

    Raises:
        BadRequestError: it does not take them; the sentence says what it may take.
    """
    with torch.inference_mode():
        try:
            return module(batch)
        except NeuralDivergenceError:
            raise
        except Exception as error:  # whatever foreign code raises
            raise BadRequestError(
                f"the model does not take float32 images {tuple(batch.shape)}: {first_line(error)}"
                f"{_advice(module, batch)}"
            ) from error


def _advice(module: nn.Module, batch: Tensor) -> str:
    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    if first is not None and first.in_channels != batch.shape[1]:
        if first.in_channels not in COLOURS:
            return f"; it takes {first.in_channels} channels, but images have 1 or 3"
        return f"; it takes {first.in_channels} channels: set `shape` of the model to (H, W, C)"
    return "; give the size it takes with --size H W, or set `shape` of the model to (H, W, C)"


def _which(answer: object, answers: dict[str, Tensor], classes: int | None) -> str:
    """The name of the logits among what may be them."""
    fitting = {n: part for n, part in answers.items() if classes in (None, part.shape[1])}
    for known in (answers, fitting):
        if len(known) == 1:
            return next(iter(known))
    if "logits" in answers:
        return "logits"
    if not answers:
        shape = getattr(answer, "shape", None)
        told = tuple(shape) if shape is not None else f"a {type(answer).__name__}"
        raise BadRequestError(f"a model must return logits (N, classes); this one returned {told}")
    told = ", ".join(f"{name} {tuple(part.shape)}" for name, part in answers.items())
    raise BadRequestError(
        f"the model returns several tensors that may be logits ({told}): choose one with --output"
    )


def _in_training(module: nn.Module, images: NDArray[np.uint8]) -> str:
    """What to take of the answer in training, where auxiliary heads answer as well."""
    try:
        # A copy, as batch norms move.
        with torch.random.fork_rng(), torch.no_grad():
            answer = copy.deepcopy(module).train()(to_images(images))
    except Exception:  # a model that cannot be trained may still be used
        return ""
    if isinstance(answer, Tensor):
        return ""
    names = list(answers_in(answer, len(images)))
    return "logits" if "logits" in names else names[0] if names else ""


def _closed(module: nn.Module, images: NDArray[np.uint8]) -> bool:
    """Whether no part of it answers when it runs: scripts, exported programs, bare functions."""
    ran: list[nn.Module] = []
    handles = [
        part.register_forward_hook(lambda part, _inputs, _output: ran.append(part))
        for name, part in module.named_modules()
        if name and not isinstance(part, (fx.GraphModule, torch.jit.ScriptModule))
    ]
    try:
        answer_of(module, to_images(images))
    finally:
        for handle in handles:
            handle.remove()
    return not any(True for part in ran for _ in part.parameters())


def _answers(
    model: nn.Module, images: NDArray[np.uint8], form: Form, classes: int | None
) -> Iterator[Finding]:
    logits = forward(model, images).float()
    unknown = [i for i, row in enumerate(logits) if not bool(torch.isfinite(row).all())]
    if unknown:
        raise BadRequestError(
            f"the model gives no numbers for image {unknown[0] + 1} of {len(images)}, so there is "
            "no prediction: look for a division by zero or a logarithm of it"
        )
    outputs = logits.shape[1]
    if classes is not None and outputs != classes:
        remedy = "name what it tells apart with --classes FILE, a line for each output"
        if outputs < classes:
            remedy = f"it needs {classes} outputs"
        if outputs == 1:
            remedy = "two classes need two outputs, such as torch.cat([-z, z], 1)"
        raise BadRequestError(
            f"the data has {classes} classes but the model tells {outputs} apart: {remedy}"
        )
    allowed = ALIKE * max(1.0, float(logits.abs().max()))
    if not torch.allclose(forward(model, images).float(), logits, rtol=0, atol=allowed):
        raise BadRequestError(
            f"the model answers the same images in another way each time: {REMEDY_FOR_RANDOM}"
        )
    alone = torch.cat([forward(model, images[i : i + 1]) for i in range(len(images))]).float()
    if not torch.allclose(alone, logits, rtol=0, atol=allowed):
        raise BadRequestError(
            "the model's answer to an image hangs on the other images of the batch: let its batch "
            "norm use what it learnt (eval mode, track_running_stats)"
        )
    yield from _of_form(form)
    inside = bool(((logits >= 0) & (logits <= 1)).all())
    if inside and not form.probabilities:
        yield Finding(
            "all answers of the trial lie between 0 and 1 and do not add up to 1",
            remedy="they are taken as logits; if a sigmoid gives them, return what it is given",
        )


def _of_form(form: Form) -> Iterator[Finding]:
    if form.output:
        yield Finding(
            "the model returns more than one tensor",
            remedy=f"'{form.output}' is taken as the logits",
        )
    if form.probabilities:
        yield Finding(
            "the model answers with probabilities",
            remedy="their logarithms are taken as the logits",
        )
    if form.writes:
        yield Finding(
            "the model alters its input in place", remedy="it is given a copy of each image"
        )
    if form.closed:
        yield Finding(
            "no part of the model can be observed from outside",
            remedy=f"its answer, `{form.answer}`, is the only layer; attacks and repair work as "
            "ever",
        )
