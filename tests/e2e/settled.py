"""Waiting for the app in a browser: until it has answered everything that was asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

# Runs before a page's own scripts; counts what it asks the server to run, and what was answered.
# Messages are protocol buffers: what asks has field 11, `rerun_script`, and in it 6 where a clock
# asked; an answer begins with a message that has 4, `new_session`, and ends with one that has 6,
# `script_finished`.
COUNT_RUNS = """(() => {
    const runs = { asked: 0, begun: 0, answered: 0, calm: null };
    window.runs = runs;
    const fields = (bytes) => {
        const found = new Map();
        let at = 0;
        const number = () => {
            let value = 0;
            for (let scale = 1; ; scale *= 128) {
                const byte = bytes[at++];
                value += (byte & 127) * scale;
                if (byte < 128) return value;
            }
        };
        while (at < bytes.length) {
            const tag = number();
            const size = number();
            const holds = (tag & 7) === 2;
            found.set(tag >> 3, holds ? bytes.subarray(at, at + size) : size);
            if (holds) at += size;
        }
        return found;
    };
    window.WebSocket = class extends WebSocket {
        constructor(...place) {
            super(...place);
            this.addEventListener("message", ({ data }) => {
                if (!(data instanceof ArrayBuffer)) return;
                const found = fields(new Uint8Array(data));
                if (found.has(4)) runs.begun = runs.asked;
                if (found.has(6)) runs.answered = runs.begun;
            });
        }
        send(data) {
            const ask = fields(data).get(11);
            if (ask && !fields(ask).has(6)) {
                runs.asked += 1;
                runs.calm = null;
            }
            super.send(data);
        }
    };
})()"""
# So long nothing was asked, and nothing is left to answer; what is done in a browser asks within.
CALM_MS = 250
CALM = f"""() => {{
    const app = document.querySelector("[data-testid=stApp]");
    if (!runs.answered || runs.answered < runs.asked) return false;
    runs.calm ??= performance.now();
    const rests = app?.dataset.testScriptState === "notRunning";
    return rests && performance.now() - runs.calm >= {CALM_MS};
}}"""


def settle(page: Page) -> None:
    """Wait until the app has answered and shows no error."""
    page.evaluate("runs.calm = null")
    page.wait_for_function(CALM)
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)


TRY_MS = 10_000
STOPPED_S = 120


def press_until(press: Callable[[], object], done: Callable[[float], object]) -> None:
    """Press where something was seen to be, again if a chart that took its size moved it away.

    Args:
        press: does it.
        done: waits for the answer, at most so many milliseconds.
    """
    for _ in range(4):
        press()
        with suppress(PlaywrightTimeoutError):
            done(TRY_MS)
            return
    press()
    done(TRY_MS)


def stop(page: Page, kind: str) -> None:
    """Press Stop until the job is gone: on a busy machine a press may miss or come too late."""
    bar = page.locator(f".st-key-live_{kind}")
    button = page.locator(f".st-key-stop_{kind} button:enabled")
    end = time.monotonic() + STOPPED_S
    while bar.count() and time.monotonic() < end:
        with suppress(PlaywrightTimeoutError):
            if button.count():
                button.click(timeout=TRY_MS)
            bar.wait_for(state="detached", timeout=TRY_MS)
    expect(bar).to_have_count(0)


def cut_at(page: Page, width: int, script: str) -> list[str]:
    """What `script` finds cut at a width of the window, once charts have taken theirs."""
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("() => { window.uncutSince = null; }")
    uncut = f"""() => {{
        if (innerWidth !== {width} || ({script})().length) window.uncutSince = null;
        else window.uncutSince ??= performance.now();
        return uncutSince !== null && performance.now() - uncutSince >= {CALM_MS};
    }}"""
    with suppress(PlaywrightTimeoutError):
        page.wait_for_function(uncut)
        return []
    found: list[str] = page.evaluate(script)
    return found
