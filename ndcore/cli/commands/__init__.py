"""The commands, a module each: a new one is a file in this folder and a line in `COMMANDS`.

Those about models that people bring lie in `own`, those that look into a network in `inside`.

They are read to build the parser, before it is known which one runs. So they import what is light
at their top, and torch and the work itself inside `run`.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any, Protocol, cast

__all__ = ["COMMANDS", "Answer", "Command", "command"]

COMMANDS = {
    "status": "what is installed and which bundles and data are ready",
    "data": "get a data set",
    "check": "what would stop or mislead the other commands, and what a bundle would cost",
    "layers": "which layers of a model can be observed, and which are proposed",
    "train": "train a model; a killed run is resumed",
    "build": "distributions, calibration and gallery of a trained model",
    "evaluate": "accuracy of a bundle's model",
    "attack": "change a few pixels so that the model errs",
    "compare": "two networks on the same images, paired",
    "detect": "how far images lie from their predicted class",
    "certify": "proofs that no change of one pixel alters a label without an alarm",
    "study": "which scores tell attacked images from benign ones",
    "distributions": "export the histograms of a layer",
    "topology": "the mapper graph of a layer's activation vectors",
    "graph": "the units and edges that carry a class",
    "evolve": "how a recorded training run evolved",
    "bench": "ratios measured within one run",
}
ROOMS = {"check": "own", "layers": "own", "distributions": "inside", "topology": "inside"}
Answer = tuple[dict[str, Any], str, int]


class Command(Protocol):
    """What each of the modules has."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what it takes; every command also takes `--json`."""

    def run(self, options: argparse.Namespace) -> Answer:
        """The JSON document, the text for people and the exit status, of the parsed options."""


def command(name: str) -> Command:
    """The module of one of `COMMANDS`."""
    room = f"{ROOMS[name]}." if name in ROOMS else ""
    return cast(Command, import_module(f"{__name__}.{room}{name}"))
