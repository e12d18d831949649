"""Every function behind a cache of Streamlit answers at once what its signature is."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from ndcore.storage.places import ROOT
from pages.ui.frame.known_signature import known_signature

FILES = [ROOT / "Home.py", *sorted((ROOT / "pages").rglob("*.py"))]


def cached(path: Path) -> list[ast.FunctionDef]:
    """Functions with arguments that a file keeps the answers of."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.args.args:
            names = [ast.unparse(each) for each in node.decorator_list]
            if any(name.startswith("st.cache_") for name in names):
                found.append(node)
    return found


def test_it_is_asked_once() -> None:
    def add(first: int, second: int = 2) -> int:
        return first + second

    before = inspect.signature(add)
    assert inspect.signature(known_signature(add)) == before
    assert inspect.signature(add) is inspect.signature(add)
    assert add(1) == 3


@pytest.mark.parametrize("path", [p for p in FILES if cached(p)], ids=lambda p: p.stem)
def test_caches_need_not_ask(path: Path) -> None:
    for function in cached(path):
        last = function.decorator_list[-1]
        assert ast.unparse(last) == "known_signature", function.name
