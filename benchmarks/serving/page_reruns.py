"""What a page costs the processor when it runs again and nothing changed."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
from streamlit.testing.v1 import AppTest

from ndcore.storage.places import ROOT

RUNS = 5
TIMEOUT_S = 300
POLL_S = 0.5


def rerun_ms(page: str, link: Mapping[str, str]) -> tuple[float, float]:
    """Milliseconds of processor time of the first run, and the median of later ones.

    Work that the first run began in the background is waited for in between.

    Args:
        page: path of its script, from the project's folder.
        link: what its address holds.

    Raises:
        RuntimeError: the page failed.
    """
    at = AppTest.from_file(str(ROOT / "Home.py"), default_timeout=TIMEOUT_S).run()
    at.switch_page(page)
    for name, value in link.items():
        at.query_params[name] = value
    first = _run_ms(at)
    _run_ms(at)
    while any(str(button.key).startswith("stop_") for button in at.button):
        time.sleep(POLL_S)
        _run_ms(at)
    return first, float(np.median([_run_ms(at) for _ in range(RUNS)]))


def _run_ms(at: AppTest) -> float:
    started = time.process_time()
    at.run()
    spent = 1000 * (time.process_time() - started)
    if at.exception:
        raise RuntimeError(f"the page failed: {at.exception[0].value}")
    return spent
