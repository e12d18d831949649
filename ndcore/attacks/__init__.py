"""Attacks: run an engine on images, verify each success in plain float32, keep honest failures."""

from ndcore.attacks.attack import attack_images
from ndcore.attacks.config import AttackConfig
from ndcore.attacks.engines import ENGINES, Engine
from ndcore.attacks.grid_map import Reach, VulnerabilityMap
from ndcore.attacks.result import AttackProgress, AttackResult, summarise
from ndcore.data.pixels import PixelChange, apply_changes, changes_between

__all__ = [
    "ENGINES",
    "AttackConfig",
    "AttackProgress",
    "AttackResult",
    "Engine",
    "PixelChange",
    "Reach",
    "VulnerabilityMap",
    "apply_changes",
    "attack_images",
    "changes_between",
    "summarise",
]
