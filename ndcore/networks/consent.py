"""Whose code a bundle may run: a bundle names its model, and an own model is code of somebody.

What the owner of this machine built a bundle from here runs; anything else a bundle names, such as
one that was copied from elsewhere, only if the setting `own_models` says so. A visitor of the
app can pick a bundle by a link, but neither build one nor set this.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from ndcore.errors import BadRequestError, UnreadableError
from ndcore.networks.factories import WHOLE
from ndcore.networks.registry import MODELS
from ndcore.settings import settings
from ndcore.storage.atomic import write_json
from ndcore.storage.places import cache_dir
from ndcore.storage.plain_files import read_json

CHOICES = ("built", "all", "none")
_MOST_BYTES = 4 << 20


def allow(model: str) -> None:
    """From now on bundles on this machine may run the model that was named."""
    known = _allowed()
    if model not in MODELS and _place(model) not in known:
        write_json(_file(), sorted({*known, _place(model)}))


def require_allowed(model: str, bundle: str = "NAME", root: str = "") -> None:
    """Refuse to run what the owner of this machine did not allow.

    Args:
        model: that a bundle or a recording names.
        bundle: that would be built from it.
        root: the folder of images that it was built from, where that is known.

    Raises:
        BadRequestError: the model is somebody's own, and not allowed; the sentence says how it is.
    """
    told = settings().own_models
    if told not in CHOICES:
        raise BadRequestError(f"the setting own_models is {', '.join(CHOICES)}, not '{told}'")
    if model in MODELS or told == "all" or (told == "built" and _place(model) in _allowed()):
        return
    if told == "none":
        raise BadRequestError(
            f"it runs code of its own, '{model}', and the setting own_models lets none run "
            "(ND_OWN_MODELS)"
        )
    data = ["--data", root] if root else []
    again = shlex.join(["python", "-m", "ndcore", "build", bundle, "--model", model, *data])
    raise BadRequestError(
        "it runs code of its own, which no build here has allowed: if you trust that code, build "
        f"from it (`{again}`, with the options of before), or set ND_OWN_MODELS=all, which trusts "
        "every bundle"
    )


def _allowed() -> set[str]:
    try:
        return set(map(str, read_json(_file(), _MOST_BYTES)))
    except (UnreadableError, TypeError):
        return set()


def _file() -> Path:
    return cache_dir() / "allowed-models.json"


def _place(model: str) -> str:
    """The same for one file, however it was named; a module of Python by its name."""
    place, colon, attribute = model.rpartition(":")
    if model.lower().endswith(WHOLE):
        return os.path.realpath(model)
    return os.path.realpath(place) + colon + attribute if place.endswith(".py") else model
