"""How a module that somebody brings keeps the contract of a model: one tensor of logits.

A module that keeps it already stays as it is. Any other is wrapped: its answer is picked out of
what it returns, and probabilities become logarithms, whose softmax they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

INNER = "model"  # the name of what is wrapped, before every name inside it
HEAD = "logits"  # the layer that every wrapped module has
SHARES = "probabilities"  # the only layer of a closed one that answers with them


@dataclass(frozen=True)
class Finding:
    """Something about a model or its images that its owner should know.

    Attributes:
        what: is so.
        stops: nothing can be done before it is mended.
        remedy: what to do, or what is done about it; "" where that is plain.
    """

    what: str
    stops: bool = False
    remedy: str = ""

    @property
    def sentence(self) -> str:
        """Both in one."""
        return f"{self.what}: {self.remedy}" if self.remedy else self.what


@dataclass(frozen=True)
class Form:
    """What stands between a module and the contract.

    Attributes:
        output: field, key or index of its answer that is taken; "" where it returns one tensor.
        probabilities: it answers with probabilities.
        writes: it alters its input in place and so is given a copy.
        closed: none of its parts can be observed; its answer is the only layer.
    """

    output: str = ""
    probabilities: bool = False
    writes: bool = False
    closed: bool = False

    @property
    def answer(self) -> str:
        """The layer that holds its answer as it gives it."""
        return SHARES if self.closed and self.probabilities else HEAD

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> Form:
        """What `to_dict` wrote; without it the plain form."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in (stored or {}).items() if name in known})

    def to_dict(self) -> dict[str, Any]:
        """For a manifest; empty for the plain form."""
        return {} if self == Form() else asdict(self)


PLAIN = Form()


class Adapted(nn.Module):
    """A module behind the contract; its parts are named `model.NAME`, its answer is `logits`.

    Probabilities are told apart as finely as their own precision allows, and one of exactly 0 is
    taken for the smallest number of it, so that its logarithm is a number.
    """

    def __init__(self, model: nn.Module, form: Form) -> None:
        super().__init__()
        self.model, self.form = model, form
        self.logits = nn.Identity()
        named = getattr(model, "layers", None)
        if isinstance(named, (tuple, list)) and all(isinstance(name, str) for name in named):
            self.layers = tuple(f"{INNER}.{name}" for name in named)
        if form.closed:
            self.layers = (form.answer,)
            if form.probabilities:
                self.probabilities = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> logits (N, classes)."""
        answer = self.model(images.clone() if self.form.writes else images)
        found = picked(answer, self.form.output)
        if self.form.probabilities:
            found = self._of_shares(found)
        logits: Tensor = self.logits(found)
        return logits

    def _of_shares(self, found: Tensor) -> Tensor:
        if self.form.closed:
            found = self.probabilities(found)
        tiny = torch.finfo(found.dtype if found.dtype == torch.float64 else torch.float32).tiny
        return found.clamp_min(tiny).log().float()


def in_single(module: nn.Module) -> nn.Module:
    """The module with all its weights in float32, in place."""
    other = [
        tensor
        for tensor in (*module.parameters(), *module.buffers())
        if tensor.is_floating_point() and tensor.dtype != torch.float32
    ]
    return module.float() if other else module


def adapted(module: nn.Module, form: Form) -> nn.Module:
    """A module that keeps the contract in its form, in float32."""
    module = in_single(module)
    return module if form == PLAIN else Adapted(module, form)


def picked(answer: Any, output: str) -> Any:
    """The part of an answer that `output` names; a tensor, as some modes of a model give, is it."""
    if not output or isinstance(answer, (Tensor, fx.Proxy)):
        return answer
    if isinstance(answer, Mapping):
        return answer[output]
    if output.isdigit() and isinstance(answer, (tuple, list)):
        return answer[int(output)]
    return getattr(answer, output)


def answers_in(answer: object, images: int) -> dict[str, Tensor]:
    """Everything in an answer that may be logits: name -> tensor (images, outputs)."""
    if isinstance(answer, Tensor):
        parts: Mapping[Any, object] = {"": answer}
    elif isinstance(answer, Mapping):
        parts = answer
    elif is_dataclass(answer) and not isinstance(answer, type):
        parts = {field.name: getattr(answer, field.name) for field in fields(answer)}
    elif isinstance(answer, (tuple, list)):
        parts = dict(zip(getattr(answer, "_fields", range(len(answer))), answer, strict=True))
    else:
        parts = getattr(answer, "__dict__", {})
    return {
        str(name): part
        for name, part in parts.items()
        if isinstance(part, Tensor) and part.ndim == 2 and len(part) == images
    }
