from __future__ import annotations

import re
from xml.etree import ElementTree

from benchmarks.attacking.query_curve import query_curve


def test_a_line_per_method_with_its_count() -> None:
    svg = query_curve({"fast": [5, 20, 300], "de": [800]}, 10, title="Ten images & one pixel")
    root = ElementTree.fromstring(svg)
    words = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert "fast: 3 of 10" in words
    assert "de: 1 of 10" in words
    assert "Ten images & one pixel" in words
    steps = re.findall(r'd="(M[^"]*)" fill="none" stroke="#[^"]*" stroke-width="2.5"', svg)
    assert [step.count("V") for step in steps] == [3, 1]


def test_nothing_found_is_drawn_too() -> None:
    assert "de: 0 of 4" in query_curve({"de": []}, 4, title="x")
