"""What the model says before and after a pixel was set."""

from __future__ import annotations

import numpy as np

from ndcore.figures.lab.readout import layer_rows, probability_rows, unit_rows
from ndcore.figures.style.palette import FALL, RISE

CLASSES = ("cat", "dog", "frog <b>")


def test_readings_tell_before_and_now() -> None:
    before, now = np.array([0.9, 0.1, 0.0]), np.array([0.2, 0.8, 0.0])
    text = probability_rows(CLASSES, before, now, true=0)
    assert "cat ★" in text
    assert "90.0 → 20.0%" in text
    assert "p-value" in layer_rows(["a"], [0.5], [0.001], 0.001)
    assert "0.500 → 0.001" in layer_rows(["a"], [0.5], [0.001], 0.001)
    for new, colour in ((3.0, RISE), (0.5, FALL)):
        moved = unit_rows(["a · 1"], [1.0], [new], [0.2])
        assert f"1.00 → {new:.2f}" in moved
        assert f"background:{colour}" in moved
    assert unit_rows([], [], [], [])


def test_of_many_classes_the_likeliest_are_listed() -> None:
    before, now = np.eye(100)[3], np.eye(100)[97]
    text = probability_rows([f"c{i}" for i in range(100)], before, now)
    assert text.count("<tr>") == 12
    assert ">c3<" in text
    assert ">c97<" in text
