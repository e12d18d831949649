"""`data fetch`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ndcore.cli.commands import Answer


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", choices=("fetch",))
    parser.add_argument("name", choices=("cifar10",))
    parser.add_argument("--root", help="folder for the files")


def run(options: Namespace) -> Answer:
    """Fetch it, unless it is there already."""
    from ndcore.data.cifar10 import fetch_cifar10

    root, images = fetch_cifar10(options.root)
    return {"root": str(root), "images": images}, f"CIFAR-10: {images} images in {root}", 0
