"""A network and its images, as a crew shares them: each worker opens them by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from torch import nn

from ndcore.data.catalog import open_source
from ndcore.data.sources import ImageSource
from ndcore.errors import BadRequestError
from ndcore.networks.weights import weight_hash
from ndcore.scale.crew import Crew

Opened = tuple[nn.Module, ImageSource]


@dataclass(frozen=True)
class Named:
    """How a network and its images are opened.

    Attributes:
        opens: can be pickled and compared; gives the network with its weights, and the images.
        digest: SHA-256 (hex) of the weights and of the names of the images.
    """

    opens: Callable[[], Opened]
    digest: str

    def opened(self) -> Opened:
        """They stay open for the next shard.

        Raises:
            BadRequestError: here they are others.
        """
        return _opened(self)


@dataclass(frozen=True)
class Shared:
    """What is shared, and by whom."""

    crew: Crew
    named: Named

    @classmethod
    def of(
        cls, crew: Crew, opens: Callable[[], Opened], model: nn.Module, source: ImageSource
    ) -> Shared:
        """What was opened here too."""
        return cls(crew, Named(opens, _digest(model, source)))

    def with_samples(self, model: nn.Module, samples: ImageSource) -> Shared:
        """The same network with the sample images."""
        return Shared.of(self.crew, _WithSamples(self.named.opens), model, samples)


@dataclass(frozen=True)
class _WithSamples:
    opens: Callable[[], Opened]

    def __call__(self) -> Opened:
        return self.opens()[0], open_source("samples")


@lru_cache(maxsize=1)
def _opened(named: Named) -> Opened:
    model, source = named.opens()
    if _digest(model, source) != named.digest:
        raise BadRequestError("a worker has other weights or other images than the command")
    return model, source


def _digest(model: nn.Module, source: ImageSource) -> str:
    found = hashlib.sha256(repr((weight_hash(model), source.ids)).encode())
    found.update(source.labels.tobytes())
    return found.hexdigest()
