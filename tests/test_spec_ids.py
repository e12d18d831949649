"""Every row of the product's contract is named by a test, with the mark `spec`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent


def numbered(kind: str, first: int, last: int) -> tuple[str, ...]:
    return tuple(f"{kind}-{number}" for number in range(first, last + 1))


TODAY = (
    *numbered("ND", 1, 23),  # the Activation Explorer
    *numbered("SP", 1, 3),  # observation
    *numbered("SP", 4, 8),  # the mechanism
    *numbered("CG", 1, 9),
    *numbered("DV", 0, 30),  # Training Evolution
    *numbered("AL", 1, 14),  # the Attack Lab
    *numbered("DD", 1, 10),  # the Divergence Detector
    *numbered("CE", 1, 7),  # the certificate
    *numbered("TA", 1, 7),  # topology
    *numbered("UX", 1, 7),
    "UX-9",
    *numbered("OM", 1, 9),  # own models
    *numbered("LB", 1, 6),  # a lab's server
    "UX-8",
)
TO_COME: tuple[str, ...] = ()


def marks(node: ast.AST) -> Iterator[str]:
    """Ids that `pytest.mark.spec(...)` names anywhere below a node."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.spec":
            for argument in call.args:
                yield ast.literal_eval(argument)


@cache
def named() -> dict[str, list[str]]:
    """Test -> the ids it names."""
    found = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        tests = [
            node
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        ]
        on_tests = [list(marks(ast.List(test.decorator_list))) for test in tests]
        # A mark on anything else would name an id without a test behind it.
        assert sum(map(len, on_tests)) == len(list(marks(tree))), path
        place = path.relative_to(TESTS)
        found |= {f"{place}::{t.name}": ids for t, ids in zip(tests, on_tests, strict=True)}
    return found


@pytest.mark.parametrize("spec_id", TODAY)
def test_a_test_names_it(spec_id: str) -> None:
    assert [test for test, ids in named().items() if spec_id in ids]


def test_no_test_names_an_id_that_is_not_there() -> None:
    assert not set(TODAY) & set(TO_COME)
    for test, ids in named().items():
        assert set(ids) <= set(TODAY), test
        assert len(set(ids)) == len(ids), test
