"""The strings of a module's code; what it says of itself in docstrings is none of them."""

from __future__ import annotations

import ast


def strings_in(source: str) -> list[str]:
    tree = ast.parse(source)
    remarks = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in remarks
    ]
