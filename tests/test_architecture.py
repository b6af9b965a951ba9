"""The packages, in the order in which data flows. Imports go one way only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "evenrank"
LAYERS = [
    {"text"},
    {"text"},
    {"errors"},
    {"files", "languages", "processes", "progress", "registry", "tables"},
    {"data"},
    {"benchmarks"},
    {"batching"},
    {"encoding"},
    {"debias"},
    {"ranking"},
    {"measures"},
    {"results"},
    {"search"},
    {"evaluation"},
    {"comparison", "mining"},
    {"training"},
    {"report"},
    {"probing"},
    {"tuning"},
    {"experiments"},
    {"serving"},
    {"demo"},
    {"cli", "__init__"},
    {"__main__"},
]
LAYER_OF = {package: number for number, packages in enumerate(LAYERS) for package in packages}
FILES = sorted(SOURCE.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


def package_of(module: str) -> str:
    return module.split(".")[1]


def imports_of(path: Path) -> set[str]:
    """Modules of this package that a file imports, also inside of functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    known = {module_name(file) for file in FILES}
    return {name for name in found if name in known and name != "evenrank.__init__"}


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_go_downhill(path):
    own = LAYER_OF[package_of(module_name(path))]
    package = package_of(module_name(path))
    for name in imports_of(path):
        if name == "evenrank":
            continue
        other = package_of(name)
        assert other == package or LAYER_OF[other] < own, f"{module_name(path)} imports {name}"


def test_no_import_cycles():
    graph = {module_name(path): imports_of(path) - {"evenrank"} for path in FILES}
    # a package's __init__ is imported by its modules' importers, not by the modules themselves
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path, module])
        if module in done:
            return
        for other in graph.get(module, ()):
            if other != module:
                visit(other, (*path, module))
        done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_files_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= 60, f"{node.name} has {length} lines"
