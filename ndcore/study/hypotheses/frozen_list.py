"""The list of frozen hypotheses: each is tested once, and nobody can quietly try again.

A file of JSON lines that is only ever added to. Whoever asks again for a hypothesis that is on the
list gets the first answer; how many were tested before is told with each.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ndcore.storage.places import study_dir
from ndcore.study.desk import Desk
from ndcore.study.hypotheses.hypothesis import Hypothesis, dev_figures, evaluation_figures
from ndcore.study.saved import without_nan

LIST = "frozen.jsonl"


class Frozen:
    """Frozen hypotheses about one model.

    Args:
        path: of the file.
        weight_hash: of the model; lines about others are passed over.
        unsaved: records that could not be written, oldest first; kept by the caller.
    """

    def __init__(
        self, path: Path, weight_hash: str, unsaved: list[dict[str, Any]] | None = None
    ) -> None:
        self.path = path
        self._weight_hash = weight_hash
        self._unsaved = [] if unsaved is None else unsaved

    def records(self) -> list[dict[str, Any]]:
        """All, oldest first: `look` (1, 2, ...), `time`, `hypothesis`, `dev`, `evaluation`."""
        try:
            lines = self.path.read_text().splitlines()
        except OSError:
            lines = []
        found: dict[str, dict[str, Any]] = {}
        for record in [*_parsed(lines), *self._unsaved]:
            if record.get("weight_hash") == self._weight_hash:
                # Of two sessions that froze the same at the same moment, the first line counts.
                found.setdefault(_name(record["desk"], record["hypothesis"]), record)
        return [{"look": at} | record for at, record in enumerate(found.values(), 1)]

    def find(self, desk: Desk, about: Hypothesis) -> dict[str, Any] | None:
        """The record of this hypothesis on these images, or None."""
        name = _name(desk.digest, about.to_dict())
        for record in self.records():
            if _name(record["desk"], record["hypothesis"]) == name:
                return record
        return None

    def freeze(self, desk: Desk, about: Hypothesis) -> tuple[dict[str, Any], bool]:
        """Test on the evaluation images, unless that was done before.

        Returns:
            The record, and whether it is new.
        """
        known = self.find(desk, about)
        if known is not None:
            return known, False
        record = without_nan(
            {
                "time": datetime.now(UTC).isoformat(timespec="seconds"),
                "weight_hash": self._weight_hash,
                "desk": desk.digest,
                "hypothesis": about.to_dict(),
                "dev": dev_figures(desk, about),
                "evaluation": evaluation_figures(desk, about),
            }
        )
        try:
            self._append(json.dumps(record))
        except OSError:
            self._unsaved.append(record)
        return self.find(desk, about) or {"look": 1} | record, True

    @property
    def kept(self) -> bool:
        """Whether all are on disk."""
        return not self._unsaved

    def _append(self, line: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # One write at the end of the file, so that two processes do not mix their lines. A line
        # that was cut off by a full disk is closed first.
        file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(file).st_size
            cut = size > 0 and os.pread(file, 1, size - 1) != b"\n"
            os.write(file, f"{chr(10) if cut else ''}{line}\n".encode())
            os.fsync(file)
        finally:
            os.close(file)


def frozen_of(bundle: str, weight_hash: str, unsaved: list[dict[str, Any]] | None = None) -> Frozen:
    """The list of a bundle, beside the pieces of its study."""
    return Frozen(study_dir(bundle) / LIST, weight_hash, unsaved)


def _parsed(lines: list[str]) -> list[dict[str, Any]]:
    """The records that can be read; half a line is none."""
    found = []
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and {"desk", "hypothesis"} <= record.keys():
            found.append(record)
    return found


def _name(desk: str, about: dict[str, Any]) -> str:
    return json.dumps([desk, about], sort_keys=True)
