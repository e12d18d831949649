"""The command line: arguments, one document per command, exit status.

Status 0 done, 1 the answer is negative where that is meaningful, 2 bad input with one line on
stderr. With `--json -` stdout carries one JSON document and nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from ndcore.errors import BadRequestError, NeuralDivergenceError

__all__ = ["main"]

DEFAULT_BUNDLE = "cifar10-vgg16"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadRequestError(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    # Waiting threads must not burn the cores that others need; read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    typed = list(sys.argv[1:] if arguments is None else arguments)
    status = 0
    try:
        options = _parser().parse_args(typed)
        options.typed = typed
        from ndcore.cli import commands

        document, text, status = getattr(commands, options.handler)(options)
        _emit(document, text, options.json)
    except NeuralDivergenceError as error:
        print(f"ndcore: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ndcore: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # A reader that has seen enough does not turn a negative answer into a positive one.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return int(status)


def _emit(document: dict[str, Any], text: str, target: str | None) -> None:
    if target is None:
        print(text, flush=True)
    elif target == "-":
        print(json.dumps(document, indent=1), flush=True)
    else:
        from ndcore.storage.atomic import write_json

        try:
            write_json(Path(target), document)
        except OSError as error:
            raise BadRequestError(f"cannot write {target}: {error.strerror}") from error
        print(text)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="ndcore", description="Attack, observe and judge image classifiers.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)

    def command(name: str, handler: str, about: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=about, description=about)
        made.add_argument("--json", metavar="FILE", help="write one JSON document; - for stdout")
        made.set_defaults(handler=handler)
        return made

    def bundle_option(made: argparse.ArgumentParser) -> None:
        made.add_argument("--bundle", default=DEFAULT_BUNDLE)

    def image_options(made: argparse.ArgumentParser) -> None:
        made.add_argument(
            "images", nargs="*", metavar="IMAGE", help="file, or id such as samples:3"
        )
        made.add_argument("--source", choices=("samples", "cifar10", "digits", "folder"))
        made.add_argument("--data", help="data folder of --source folder or cifar10")
        made.add_argument("--split", help="split of the bundle to draw from (default: evaluation)")
        made.add_argument("--n", type=int, help="how many images of the source (default: all)")
        made.add_argument(
            "--lossless", action="store_true", help="only images of the source in lossless files"
        )

    command("status", "status", "what is installed and which bundles and data are ready")

    data = command("data", "data_fetch", "get a data set")
    data.add_argument("action", choices=("fetch",))
    data.add_argument("name", choices=("cifar10",))
    data.add_argument("--root", help="folder for the files")

    train = command("train", "train", "train a model; a killed run is resumed")
    train.add_argument("model", help="registered name, such as lenet, or file.py:factory")
    train.add_argument("--data", help="ImageFolder, CIFAR-10 root or source name")
    train.add_argument("--epochs", type=int)
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--device", default="auto")
    train.add_argument(
        "--run",
        metavar="NAME",
        help="name of the run (default: the model's); one with other settings is replaced",
    )
    train.add_argument(
        "--record", action="store_true", help="keep what `evolve` shows of every epoch"
    )

    build = command("build", "build", "distributions, calibration and gallery of a trained model")
    build.add_argument("bundle", metavar="BUNDLE")
    build.add_argument("--data", help="ImageFolder, CIFAR-10 root or source name")
    build.add_argument("--model", help="registered name or file.py:factory (default: BUNDLE)")
    build.add_argument("--weights", help="safetensors file (default: the model's training run)")
    build.add_argument("--gallery", type=int, default=12, metavar="N", help="successes to collect")
    build.add_argument("--gallery-images", type=int, default=60, metavar="N", help="images to try")
    build.add_argument("--seed", type=int, default=0)

    evaluate = command("evaluate", "evaluate", "accuracy of a bundle's model")
    bundle_option(evaluate)
    evaluate.add_argument("--data", help="ImageFolder, CIFAR-10 root or source name")
    evaluate.add_argument(
        "--split",
        help="reference, dev, calibration, evaluation, test or all "
        "(default: evaluation where the data has it, else all)",
    )

    attack = command("attack", "attack", "change a few pixels so that the model errs")
    image_options(attack)
    bundle_option(attack)
    attack.add_argument(
        "--engine",
        default="fast",
        help="fast, exhaustive or de; for comparison fgsm, pgd, deepfool or cw",
    )
    attack.add_argument("--pixels", type=int, default=1)
    attack.add_argument("--target", metavar="CLASS")
    attack.add_argument("--max-queries", type=int, help="per image (default: the engine's own)")
    attack.add_argument(
        "--then", default="", metavar="ENGINE", help="exhaustive or de, where fast finds nothing"
    )
    attack.add_argument("--epsilon", type=int, default=8, help="8-bit steps, of fgsm and pgd")
    attack.add_argument(
        "--precision", default="auto", help="auto, or float32: no bfloat16 screening"
    )
    attack.add_argument("--seed", type=int, default=0)
    attack.add_argument("--out", metavar="DIR", help="write PNG pairs and results.json here")

    detect = command("detect", "detect", "how far images lie from their predicted class")
    image_options(detect)
    bundle_option(detect)
    detect.add_argument("--alpha", type=float, default=0.05, help="false-positive rate")
    detect.add_argument(
        "--detector",
        default="wasserstein",
        help="wasserstein, surprisal, or repair (needs a study; about a second per image)",
    )
    detect.add_argument("--fail-on-flag", action="store_true", help="exit 1 if any is flagged")
    detect.add_argument(
        "--case-file", metavar="FILE", help="write images, evidence and provenance: .html or .json"
    )
    detect.add_argument(
        "--no-repair",
        action="store_true",
        help="case file without the pixel-by-pixel repair, the slow part",
    )

    study = command("study", "study", "which scores tell attacked images from benign ones")
    study.add_argument("name", choices=("detectors", "hypothesis"))
    bundle_option(study)
    study.add_argument("--data", help="the data the bundle was built from")
    study.add_argument(
        "--attacks", nargs="+", metavar="ATTACK", help="kinds of attack (default: all)"
    )
    study.add_argument("--n", type=int, help="benign images and attacked images, each (all)")
    study.add_argument(
        "--no-repair",
        action="store_true",
        help="leave out the pixel-by-pixel repair, the slow part",
    )
    study.add_argument("--seed", type=int, default=0)
    study.add_argument("--out", metavar="DIR", help="folder of the study's files")
    study.add_argument("--ship", action="store_true", help="put the finished study into the bundle")
    study.add_argument(
        "--measure", action="append", help="hypothesis: such as w1-top; may be given again"
    )
    study.add_argument("--layers", help="hypothesis: names with commas between (default: all)")
    study.add_argument("--attack", default="one-pixel", help="hypothesis: kind of attack")
    study.add_argument(
        "--over", default="mean", help="hypothesis: mean or largest of measures and layers"
    )
    study.add_argument(
        "--freeze",
        action="store_true",
        help="hypothesis: test it, once, on the evaluation images",
    )

    distributions = command("distributions", "distributions", "export the histograms of a layer")
    bundle_option(distributions)
    distributions.add_argument("--layer", required=True)
    distributions.add_argument("--reduction", help="mean or max (conv layers; default max)")
    distributions.add_argument("--classes", nargs="+", metavar="CLASS")
    distributions.add_argument("--csv", metavar="FILE")

    evolve = command("evolve", "evolve", "how a recorded training run evolved")
    evolve.add_argument(
        "run", metavar="RUN", nargs="*", help="name of a trained model, or a run's folder"
    )
    evolve.add_argument(
        "--findings",
        action="store_true",
        help="the paper's accuracies and claims beside those of the RUNs (default: all recorded)",
    )
    evolve.add_argument(
        "--variant", default="paper", help="of discriminability: paper or normalised"
    )
    evolve.add_argument("--layer", help="also the metrics of this layer's units")
    evolve.add_argument(
        "--vulnerability",
        action="store_true",
        help="first measure how many images one pixel flips at each epoch whose weights were "
        "kept, and how well the divergence detector sees it",
    )
    evolve.add_argument("--data", help="the data the run was trained on, for --vulnerability")
    evolve.add_argument(
        "--images", type=int, default=100, metavar="N", help="images to attack at each epoch"
    )
    evolve.add_argument("--seed", type=int, default=0, help="of these images and the searches")
    evolve.add_argument("--device", default="auto")

    bench = command("bench", "bench", "ratios measured within one run")
    bench.add_argument(
        "name", choices=("attack", "detector", "distributions", "evolution", "explorer")
    )
    bundle_option(bench)
    bench.add_argument(
        "--n", type=int, help="images; explorer: repetitions (default: the benchmark's own)"
    )
    bench.add_argument("--peers", action="store_true", help="attack: also run other libraries")
    bench.add_argument("--data", help="attack: CIFAR-10 for the images (default: the samples)")
    bench.add_argument("--de-queries", type=int, default=4000, help="attack: budget of de")
    bench.add_argument("--picture", metavar="SVG", help="attack: write the query curve here")
    return parser
