"""The direction of imports, stated once and checked on the syntax tree of every file.

Each group imports only groups below it or itself; entry points import each other never.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GROUPS = [
    {"errors", "statistics", "atomic", "normalize"},
    {"deep_view_networks"},
    {"images"},
    {"sources"},
    {"cifar10", "folders"},
    {"data", "recipes"},
    {"models", "splits"},
    {"predict", "activations", "histograms", "muon", "augment", "checkpoints", "learning_curves"},
    {"inspection", "divergence", "resident"},
    {"counting", "detectors", "attacks", "training"},
    {"pairs", "bundle", "jobs"},
    {
        "builder",
        "story",
        "depth",
        "positions",
        "propagation",
        "receptive",
        "natural_errors",
        "study",
    },
    {"evolution"},
    {"figures"},
    {"casefile"},
    {"cli"},
]
LEVEL = {name: level for level, group in enumerate(GROUPS) for name in group}
MODULES = sorted((ROOT / "ndcore").rglob("*.py"))
PAGES = sorted([*ROOT.glob("Home.py"), *(ROOT / "pages").rglob("*.py")])


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def part_of(name: str) -> str:
    return name.split(".")[1] if name.startswith("ndcore.") else ""


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    own = path.relative_to(ROOT / "ndcore").parts[0].removesuffix(".py")
    if own in ("__init__", "__main__", "figures"):
        return
    for name in imported(path):
        other = part_of(name)
        if other:
            assert LEVEL[other] <= LEVEL[own], f"{own} must not import {other}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_core_knows_no_streamlit_and_unpickles_nothing(path: Path) -> None:
    text = path.read_text()
    assert not any(name.split(".")[0] in ("streamlit", "pickle") for name in imported(path))
    assert "torch.load(" not in text
    assert "allow_pickle=True" not in text


def test_figures_and_divergence_know_no_torch() -> None:
    files = [*(ROOT / "ndcore" / "figures").rglob("*.py"), ROOT / "ndcore" / "divergence.py"]
    for path in files:
        assert not any(name.split(".")[0] == "torch" for name in imported(path)), path


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_pages_do_not_import_each_other_or_the_command_line(path: Path) -> None:
    for name in imported(path):
        assert not name.startswith("ndcore.cli")
        assert name != "Home"


def test_importing_the_package_loads_neither_torch_nor_streamlit() -> None:
    code = (
        "import sys, ndcore; ndcore.__version__; "
        "assert not {'torch', 'streamlit'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("module", ["ndcore.cli.commands", "pages.ui.loaders", "pages.ui.desk"])
def test_starting_loads_no_library_that_only_a_study_needs(module: str) -> None:
    code = f"import sys, {module}; assert not {{'sklearn', 'pytorch_ood'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_every_public_name_resolves() -> None:
    import ndcore

    for name in ndcore.__all__:
        assert getattr(ndcore, name) is not None
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = ndcore.nothing_here
