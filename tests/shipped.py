"""What ships with the project: its bundle, its recorded runs, and the README that tells of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
RUNS_FOLDER = ROOT / "cache" / "shipped-runs"
RUNS = (
    "lenet",
    "lenet-bn",
    "lenet-d",
    "lenet-sig1",
    "lenet-sig4",
    "lenet-sig4-bn",
    "lenet-w",
    "lenet-w-bn",
    "nin",
    "nin-bn",
    "shallow",
    "shallow-bn",
)
BUNDLE = ROOT / "cache" / "bundles" / "cifar10-vgg16"


def document(path: str) -> Any:
    """A JSON file of the bundle."""
    return json.loads((BUNDLE / path).read_text())
