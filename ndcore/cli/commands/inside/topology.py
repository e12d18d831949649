"""`topology`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ndcore.cli.commands import Answer
from ndcore.cli.progress import Progress
from ndcore.cli.shared_options import add_bundle, add_images

USUAL_N = 2000


def add_arguments(parser: ArgumentParser) -> None:
    add_images(parser)
    add_bundle(parser)
    parser.add_argument("--layer", required=True)
    parser.add_argument("--seed", type=int, default=0, help="of the draw of the images")
    parser.add_argument(
        "--preset", choices=("usual", "topoact"), default="usual", help="of all that follow"
    )
    parser.add_argument(
        "--positions",
        choices=("max", "mean", "random"),
        help="of a convolution: its strongest position, the mean over them, or one at random for "
        "every image",
    )
    parser.add_argument("--lens", choices=("norm", "divergence", "density"))
    parser.add_argument("--intervals", type=int, help="parts of the lens")
    parser.add_argument("--overlap", type=float, help="share of an interval in the next, 0 to 1")
    parser.add_argument(
        "--min-samples",
        type=int,
        metavar="N",
        help="so many vectors within epsilon, its own among them, make a vector the core of a "
        "cluster (DBSCAN's min-samples)",
    )
    parser.add_argument(
        "--epsilon", type=float, help="radius of a cluster's cores (default: from the curve)"
    )
    parser.add_argument(
        "--share",
        type=float,
        help="epsilon is read off the curve where this share of the vectors, 0 to 1, has "
        "--min-samples within it",
    )
    parser.add_argument(
        "--between", nargs=2, metavar="CLASS", help="rank where these two classes part"
    )
    parser.add_argument(
        "--cluster", type=int, metavar="NUMBER", help="list the images of this cluster"
    )
    parser.add_argument(
        "--stability",
        action="store_true",
        help="make the graph again with every setting 20%% less and more",
    )
    parser.add_argument(
        "--ship",
        action="store_true",
        help="keep the vectors in the bundle, with those of its attacks whose images are here, so "
        "that the page needs no image",
    )


def run(options: Namespace) -> Answer:
    """Read the layer, make its graph, and lay the images that were named on it."""
    from ndcore.bundles.bundle import load_bundle
    from ndcore.bundles.images import finder
    from ndcore.cli.topology import graph_answer, settings_of, space_of
    from ndcore.topology.kept import ship

    bundle = load_bundle(options.bundle)
    with Progress() as progress:
        space, positions, source = space_of(bundle, options, progress.step, USUAL_N)
        if options.ship:
            progress.step("attacks of the gallery")
            ship(bundle, options.layer, positions, space, finder(source))
        preset, settings = settings_of(space, options)
        return graph_answer(bundle, options, space, positions, (preset, settings), progress.step)
