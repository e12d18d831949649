"""Options that several commands take, each declared once."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _ArgumentGroup

    from ndcore.scale.crew import Crew


def add_bundle(parser: ArgumentParser) -> None:
    """`--bundle`."""
    parser.add_argument("--bundle", default="cifar10-vgg16")


def add_crew(parser: ArgumentParser | _ArgumentGroup) -> None:
    """`--workers` and `--scheduler`."""
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that share out the work, each with one thread: the same bytes for any N "
        "(default: this process, with all threads)",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="Dask scheduler whose workers share out the work, such as tcp://127.0.0.1:8786",
    )


def crew_of(options: Namespace) -> Crew | None:
    """Who is to share out the work; None where that was not asked for.

    Raises:
        BadRequestError: no such number of workers.
    """
    from ndcore.scale.crew import Crew

    if options.workers is None and not options.scheduler:
        return None
    return Crew(1 if options.workers is None else options.workers, options.scheduler or "")


def add_images(parser: ArgumentParser) -> None:
    """What `ndcore.cli.selection.choose_images` reads."""
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="file, or id such as samples:3")
    parser.add_argument("--source", choices=("samples", "cifar10", "digits", "folder"))
    parser.add_argument("--data", help="ImageFolder or CIFAR-10 root to take them from")
    add_parts(parser)
    parser.add_argument(
        "--split",
        help="split of the bundle to draw from (default: evaluation); gallery: the images that its "
        "stored attacks break",
    )
    parser.add_argument("--n", type=int, help="how many images of the source (default: all)")
    parser.add_argument(
        "--lossless", action="store_true", help="only images of the source in lossless files"
    )


def add_new_data(parser: ArgumentParser) -> None:
    """`--data` and `--parts` of the commands that take any images with classes."""
    parser.add_argument("--data", help="ImageFolder, CIFAR-10 root or source name")
    add_parts(parser)


def add_parts(parser: ArgumentParser) -> None:
    """`--parts`."""
    parser.add_argument(
        "--parts",
        choices=("yes", "no"),
        help="whether folders named train, val and test are parts of the data, or classes "
        "(default: by what lies in them)",
    )


def add_model(parser: ArgumentParser, *, or_bundle: bool = False) -> None:
    """`MODEL` and its images, for the commands that only look at them; or `--bundle`."""
    nargs = "?" if or_bundle else None
    about = "registered name, file.py:function, or a file such as net.onnx"
    parser.add_argument("model", metavar="MODEL", nargs=nargs, help=about)
    if or_bundle:
        parser.add_argument("--bundle", help="look at a bundle's model instead")
    add_new_data(parser)
    add_own_model(parser)


def add_own_model(parser: ArgumentParser) -> None:
    """What a command asks of a model that somebody brings."""
    parser.add_argument(
        "--size",
        "--resize",
        nargs=2,
        type=_side,
        metavar=("H", "W"),
        help="bring every image to this size (default: the model's, else that of the images)",
    )
    parser.add_argument(
        "--crop",
        nargs="?",
        const=1.0,
        type=_share,
        metavar="SHARE",
        help="keep the middle of images of other proportions, instead of squeezing them; with a "
        "share of it, such as 0.875 for 224 of 256 pixels",
    )
    parser.add_argument(
        "--output",
        default="",
        metavar="NAME",
        help="field, key or number of the logits in what the model returns",
    )
    parser.add_argument(
        "--classes",
        metavar="FILE",
        help="what the model tells apart, one a line in the order of its outputs "
        "(default: the folders of the images, in alphabetical order)",
    )
    parser.add_argument(
        "--skip-broken",
        action="store_true",
        help="leave out image files that cannot be read, and say so",
    )


def _share(typed: str) -> float:
    try:
        share = float(typed)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise ArgumentTypeError(f"'{typed}' is no share above 0 and up to 1, such as 0.875")
    return share


def _side(typed: str) -> int:
    side = int(typed)
    if side < 1:
        raise ValueError
    return side
