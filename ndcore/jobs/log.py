"""What a server writes into its log: events with their numbers, and nothing about its users."""

from __future__ import annotations

import json
import logging
import sys
import time

FIELDS = ("job", "kind", "lane", "seconds")


class _Lines(logging.Formatter):
    """A JSON document a line, or words."""

    def __init__(self, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """The event, with the `FIELDS` that it has."""
        told = {name: vars(record)[name] for name in FIELDS if name in vars(record)}
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        if self._as_json:
            return json.dumps({"time": when, "level": record.levelname, "event": text} | told)
        return " ".join([when, text, *(f"{name}={value}" for name, value in told.items())])


def log_events(as_json: bool) -> None:
    """Write the events of this package to stderr from now on, once each."""
    logger = logging.getLogger("ndcore")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(as_json))
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
