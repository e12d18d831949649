"""The graph of a model, found by letting a stand-in pass through it (torch.fx)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from torch import fx, nn

from ndcore.errors import StoppedError

_TRACING = threading.RLock()


class _ThisThread(fx.Tracer):
    """Tracing patches all modules of the process; what other threads call goes past it."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, fx.Proxy]) -> Any:
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


def traced(model: nn.Module) -> nn.Module:
    """The graph of an eval-mode model, sharing its weights; one that has none as it is.

    Other threads may use this model and others meanwhile.
    """
    try:
        with _TRACING:
            graph = _ThisThread().trace(model)
        return fx.GraphModule(model, graph, type(model).__name__).eval()
    except StoppedError:
        raise
    except Exception:  # whatever foreign code raises while it is traced
        return model
