"""The log: an event a line, with numbers, and no permission in it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from ndcore.jobs import JobManager
from ndcore.jobs.log import log_events
from tests.ui import ended


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    logger = logging.getLogger("ndcore")
    was = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.propagate = was[0], was[2]
    logger.setLevel(was[1])


@pytest.mark.spec("LB-5")
def test_a_job_is_a_line_without_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    log_events(as_json=True)
    log_events(as_json=True)  # once more changes nothing
    manager = JobManager()
    job = ended(manager.submit(lambda _: 1, label="my secret.png", kind="attack", about="mine"))
    manager.shutdown(5)
    written = capsys.readouterr().err
    for _ in range(200):
        if written:
            break
        written += capsys.readouterr().err
    (line,) = written.splitlines()
    told = json.loads(line)
    assert {"time", "level", "event", "job", "kind", "lane", "seconds"} == told.keys()
    assert (told["event"], told["kind"], told["job"]) == ("job done", "attack", job.log_name)
    assert job.id not in line
    assert "secret" not in line
