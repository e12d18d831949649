"""The command line: arguments, one document per command, exit status.

Status 0 done, 1 the answer is negative where that is meaningful, 2 bad input with one line on
stderr. With `--json -` stdout carries one JSON document and nothing else.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from ndcore.cli.commands import COMMANDS, command
from ndcore.errors import BadRequestError, NeuralDivergenceError
from ndcore.storage.atomic import write_json

__all__ = ["command_parser", "main"]

# What a disk says that is full, or must not be written to.
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)


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
        options = command_parser().parse_args(typed)
        options.typed = typed
        document, text, status = command(options.command).run(options)
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
    except OSError as error:
        if error.errno not in DISK:
            traceback.print_exc()
            return 3
        where = f" {error.filename}" if error.filename else ""
        print(f"ndcore: cannot write{where}: {error.strerror}", file=sys.stderr)
        return 2
    except Exception:
        # Python's own status of a crash is 1, which would read as a negative answer.
        traceback.print_exc()
        return 3
    return int(status)


def command_parser() -> argparse.ArgumentParser:
    """The parser of all commands; raises BadRequestError where others end the process."""
    parser = _Parser(prog="ndcore", description="Attack, observe and judge image classifiers.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    for name, about in COMMANDS.items():
        made = commands.add_parser(name, help=about, description=about)
        made.add_argument("--json", metavar="FILE", help="write one JSON document; - for stdout")
        command(name).add_arguments(made)
    return parser


def _emit(document: dict[str, Any], text: str, target: str | None) -> None:
    if target is None:
        print(text, flush=True)
    elif target == "-":
        print(json.dumps(document, indent=1), flush=True)
    else:
        try:
            write_json(Path(target), document)
        except OSError as error:
            raise BadRequestError(f"cannot write {target}: {error.strerror}") from error
        print(text)
