"""Tracing a model in one thread leaves the models that other threads use alone."""

from __future__ import annotations

import threading

import torch
from torch import Tensor, fx, nn

from ndcore.networks.incremental.tracing import traced


class Held(nn.Module):
    """Its forward pass lasts until another thread has asked another model."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
        self.begun, self.asked = threading.Event(), threading.Event()

    def forward(self, images: Tensor) -> Tensor:
        self.begun.set()
        assert self.asked.wait(30)
        return self.inner(images).flatten(1)


def test_other_threads_ask_models_meanwhile() -> None:
    held, images = Held().eval(), torch.zeros(1, 1, 4, 4)
    other = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten()).eval()
    told, found = other(images), []

    def ask() -> None:
        assert held.begun.wait(30)
        try:
            found.append(other(images))
        finally:
            held.asked.set()

    thread = threading.Thread(target=ask)
    thread.start()
    graph = traced(held)
    thread.join(30)
    assert len(found) == 1
    assert isinstance(found[0], Tensor)
    assert torch.equal(found[0], told)
    assert isinstance(graph, fx.GraphModule)
    assert "inner_0" in {node.name for node in graph.graph.nodes}
    assert torch.equal(graph(images), held.inner(images).flatten(1))
    assert nn.Module.__call__ is CALL


CALL = nn.Module.__call__
