"""Engines: what each searches, as pure numpy that meets no network, and one registry of all."""

from ndcore.attacks.engines.engine import Engine
from ndcore.attacks.engines.registry import ENGINES

__all__ = ["ENGINES", "Engine"]
