"""Settings of a server: the defaults here, then a TOML file, then the environment."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ndcore.errors import BadRequestError

PREFIX = "ND_"
FILE = f"{PREFIX}SETTINGS"


@dataclass(frozen=True)
class Settings:
    """What the owner of a server decides; numbers are at least 0.

    Attributes:
        interactive_jobs: jobs of some seconds at a time, in the server's process.
        heavy_jobs: long jobs at a time, each in a process of its own.
        places: jobs of one session that wait or run, at most.
        queue: jobs of all sessions that wait or run, at most.
        job_queries: model calls that one attack may take at most.
        deadline_minutes: a job is stopped after so long; what it found is kept.
        abandon_minutes: a job at which nobody looks for so long is stopped; 0 for never.
        keep_days, keep_mb: results of jobs stay on disk for so long, in so many megabytes.
        own_models: whose code a bundle may run: `built` from it on this machine, `all`, or `none`.
        session_mb, server_mb: what one session and all of them may have uploaded at a time.
        login: `none`; `oidc`, by the `[auth]` of Streamlit's secrets; or `headers`, by those that a
            proxy sets and `server.trustedUserHeaders` names.
        hosts: names under which `asgi.py` answers, with commas between; "" for any.
        log: `text`, or `json`, a line for each event.
    """

    interactive_jobs: int = 2
    heavy_jobs: int = 1
    places: int = 4
    queue: int = 64
    job_queries: int = 10_000_000
    deadline_minutes: float = 60.0
    abandon_minutes: float = 15.0
    keep_days: float = 7.0
    keep_mb: float = 1000.0
    own_models: str = "built"
    session_mb: float = 50.0
    server_mb: float = 500.0
    login: str = "none"
    hosts: str = ""
    log: str = "text"


CHOICES = {"login": ("none", "oidc", "headers"), "log": ("text", "json")}


def settings() -> Settings:
    """The settings that hold now: `ND_PLACES=8` in the environment, or `places = 8` in the file
    that `ND_SETTINGS` names.

    Raises:
        BadRequestError: the file cannot be read, or there is no such setting or value.
    """
    found = _file_values() | {
        name: os.environ[PREFIX + name.upper()]
        for name in _DEFAULTS
        if os.environ.get(PREFIX + name.upper())
    }
    return Settings(**{name: _value(name, value) for name, value in found.items()})


_DEFAULTS: Mapping[str, Any] = {field.name: field.default for field in fields(Settings)}


def _file_values() -> dict[str, Any]:
    named = os.environ.get(FILE)
    if not named:
        return {}
    try:
        found = tomllib.loads(Path(named).read_text())
    except (OSError, ValueError) as error:
        raise BadRequestError(f"the settings {named} cannot be read: {error}") from error
    unknown = sorted(set(found) - set(_DEFAULTS))
    if unknown:
        raise BadRequestError(
            f"{named} has an unknown setting '{unknown[0]}': there are {', '.join(_DEFAULTS)}"
        )
    return found


def _value(name: str, given: Any) -> Any:
    """A value of the type of its default."""
    kind = type(_DEFAULTS[name])
    try:
        if isinstance(given, bool):
            raise ValueError
        value = kind(given)
        if kind is not str and not 0 <= value < float("inf"):
            raise ValueError
        if kind is str and value not in CHOICES.get(name, (value,)):
            raise ValueError
    except (TypeError, ValueError):
        told = " or ".join(CHOICES.get(name, ("a number from 0 on",)))
        raise BadRequestError(f"the setting {name} must be {told}, not '{given}'") from None
    return value
