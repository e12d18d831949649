"""The direction of imports, stated once as an order of folders and checked in every file.

A file imports only from its own folder and from folders further left. Neighbours in a set do not
know each other.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# A package's `__init__` re-exports from the rooms inside it; it counts as the last of them.
ORDER: tuple[set[str], ...] = (
    {"ndcore/errors.py"},
    {
        "ndcore/legible",
        "ndcore/settings.py",
        "ndcore/statistics",
        "ndcore/steps.py",
    },
    {"ndcore/storage"},
    {
        "ndcore/jobs",
        "ndcore/scale",
        "ndcore/data/folder",
        "ndcore/data/image_file",
        "ndcore/data/stored",
    },
    {"ndcore/data"},
    {"ndcore/data/apart"},
    {"ndcore/networks/called", "ndcore/networks/incremental"},
    {"ndcore/networks", "ndcore/attacks/engines"},
    {"ndcore/networks/brought"},
    {"ndcore/activations", "ndcore/training", "ndcore/attacks"},
    {"ndcore/detectors", "ndcore/certificate", "ndcore/concept_graph", "ndcore/scale/network"},
    {"ndcore/detectors/scoring"},
    {"ndcore/detectors/registry.py"},  # of the detectors on either side
    {"ndcore/bundles", "ndcore/evolution"},
    {"ndcore/evolution/recording"},
    {"ndcore/evolution/findings"},
    {"ndcore/study/measured"},
    {"ndcore/study"},
    {"ndcore/study/hypotheses", "ndcore/analysis", "ndcore/topology"},
    {"ndcore/analysis/mechanism"},
    {"ndcore/tasks"},
    {"ndcore/figures/style"},
    {
        "ndcore/figures/detector",
        "ndcore/figures/evolution",
        "ndcore/figures/explorer",
        "ndcore/figures/graph",
        "ndcore/figures/lab",
        "ndcore/figures/topology",
    },
    {"ndcore/figures/home"},  # the others in small
    {"ndcore/figures/detector/case", "ndcore/cli", "pages/ui/components"},
    {"ndcore/cli/shards"},
    {"ndcore/cli/commands", "pages/ui/components/activation", "pages/ui/components/graph"},
    {"ndcore/cli/commands/own", "ndcore/cli/commands/inside", "pages/ui/frame"},
    {"pages/ui/elements"},
    {"pages/ui/images", "pages/ui/graph/shown"},
    {
        "pages/ui/detector",
        "pages/ui/evolution",
        "pages/ui/explorer",
        "pages/ui/graph",
        "pages/ui/home",
        "pages/ui/lab",
        "pages/ui/topology",
    },
    {"pages/ui/detector/pixels", "pages/ui/detector/study", "pages/ui/lab/second_network"},
    {"pages", "Home.py"},
)
FLOOR = {room: floor for floor, rooms in enumerate(ORDER) for room in rooms}
MOST_FILES = 14
FILES = sorted(
    path
    for folder in ("ndcore", "pages", "benchmarks", "tests")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and path.suffix != ".pyc"
)
MODULES = [path for path in FILES if path.suffix == ".py" and "ndcore" in path.parts]
PAGES = [
    ROOT / "Home.py",
    *(path for path in FILES if path.suffix == ".py" and path.is_relative_to(ROOT / "pages")),
]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            place = node.module
            inside = ROOT / place.replace(".", "/")
            found |= {
                f"{place}.{alias.name}" if (inside / f"{alias.name}.py").is_file() else place
                for alias in node.names
            }
    return found


def room_of(module: str) -> str | None:
    """The room of an imported module of this project; None for the package itself."""
    path = Path(module.replace(".", "/"))
    if (ROOT / path).is_dir():
        room = str(path)
    else:
        room = str(path.parent) if len(path.parts) > 2 or path.parts[0] == "pages" else f"{path}.py"
    return None if room in ("ndcore", "pages/ui") else room


@pytest.mark.parametrize("path", [*MODULES, *PAGES], ids=name_of)
def test_imports_point_to_the_left(path: Path) -> None:
    parts = path.relative_to(ROOT)
    if parts.parts[0] == "ndcore" and len(parts.parts) == 2 and parts.stem.startswith("__"):
        return  # the package's face and its entry
    own = str(parts) if str(parts) in FLOOR else str(parts.parent)
    assert own in FLOOR or parts.name == "__init__.py", f"{own} has no place in the order"
    inner = [floor for room, floor in FLOOR.items() if room.startswith(own)]
    floor = max(inner, default=0) if parts.name == "__init__.py" else FLOOR[own]
    for module in imported(path):
        other = room_of(module) if module.split(".")[0] in ("ndcore", "pages") else None
        if other is None or other == own or (parts.name == "__init__.py" and other.startswith(own)):
            continue
        assert other in FLOOR, f"{other} has no place in the order"
        assert FLOOR[other] < floor, f"{own} must not import {other}"


def test_no_folder_holds_more_than_a_glance() -> None:
    counts = Counter(path.parent for path in FILES)
    crowded = {name_of(folder): n for folder, n in counts.items() if n > MOST_FILES}
    assert not crowded
    assert counts[ROOT / "ndcore"] <= 5


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_core_knows_no_streamlit_and_unpickles_nothing(path: Path) -> None:
    text = path.read_text()
    assert not any(name.split(".")[0] in ("streamlit", "pickle") for name in imported(path))
    assert text.count("torch.load(") == text.count(
        'torch.load(path, map_location="cpu", weights_only=True)'
    )
    assert "allow_pickle=True" not in text


def test_figures_and_divergence_know_no_torch() -> None:
    divergence = ROOT / "ndcore" / "activations" / "divergence.py"
    files = [*(ROOT / "ndcore" / "figures").rglob("*.py"), divergence]
    for path in files:
        assert not any(name.split(".")[0] == "torch" for name in imported(path)), path


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_pages_do_not_import_each_other_or_the_command_line(path: Path) -> None:
    for name in imported(path):
        assert not name.startswith("ndcore.cli")
        assert name != "Home"


@pytest.mark.parametrize(
    "use", ["import ndcore; ndcore.__version__", "import ndcore.cli; ndcore.cli.command_parser()"]
)
def test_neither_the_package_nor_the_parser_loads_torch_or_streamlit(use: str) -> None:
    code = f"{use}; import sys; assert not {{'torch', 'numpy', 'streamlit'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize(
    "use",
    [
        "import ndcore.cli; ndcore.cli.main(['detect', 'nothing.png'])",
        "import pages.ui.frame.loaders",
        "import pages.ui.detector.study.desk",
    ],
)
def test_starting_loads_no_library_that_only_a_study_needs(use: str) -> None:
    code = f"{use}; import sys; assert not {{'sklearn', 'pytorch_ood'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_every_public_name_resolves() -> None:
    import ndcore

    for name in ndcore.__all__:
        assert getattr(ndcore, name) is not None
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = ndcore.nothing_here
