"""The registry: a new file, or an installed distribution, is enough to add an extension."""

from __future__ import annotations

import importlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from evenrank.errors import ConfigError, UnknownNameError
from evenrank.registry import Registry

REGISTER = "from {package}.base import SHAPES\nSHAPES.register({name!r}, {value})\n"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of extensions with a registry in ``base`` and one extension."""
    name = f"shapes_{tmp_path.name}".replace("-", "_")
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "base.py").write_text(
        f"from evenrank.registry import Registry\nSHAPES = Registry('shape', {name!r})\n"
    )
    (folder / "square.py").write_text(REGISTER.format(package=name, name="square", value=4))
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for module in [module for module in sys.modules if module.startswith(name)]:
        del sys.modules[module]


def registry_of(folder) -> Registry[int]:
    module = __import__(f"{folder.name}.base")
    return module.base.SHAPES


def test_a_new_file_adds_an_extension(package):
    (package / "triangle.py").write_text(
        REGISTER.format(package=package.name, name="triangle", value=3)
    )
    shapes = registry_of(package)
    assert list(shapes) == ["square", "triangle"]
    assert shapes.get("triangle") == 3
    assert "square" in shapes
    assert "circle" not in shapes


def test_nothing_is_imported_before_the_first_look_up(package):
    shapes = registry_of(package)
    assert f"{package.name}.square" not in sys.modules
    assert shapes.get("square") == 4
    assert f"{package.name}.square" in sys.modules


def install(package, module: str, source: str, target: str = "") -> None:
    """Install a distribution with a module and an entry point that names it."""
    (package.parent / f"{module}.py").write_text(source)
    metadata = package.parent / f"{module}-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n")
    points = f"[evenrank.extensions]\n{module} = {target or module}\n"
    (metadata / "entry_points.txt").write_text(points)


def test_an_installed_distribution_adds_an_extension(package):
    """It names a module in the entry-point group, and is found by its metadata alone."""
    name = f"{package.name}_other"
    install(package, name, REGISTER.format(package=package.name, name="circle", value=0))
    assert list(registry_of(package)) == ["circle", "square"]


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("import no_such_module", "", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 / 0", "", "ZeroDivisionError: division by zero"),
        ("raise SystemExit('\x1b[31m\\nbye')", "", r"SystemExit: \x1b[31m bye"),
        ("def broken(:", "", "SyntaxError"),
        ("", "no.such.module", "ModuleNotFoundError"),
        ("", "os:no_such_name", "AttributeError"),
        ("", "not a module!", "not a module!"),
    ],
)
def test_a_broken_plug_in_is_named_once_and_skipped(package, caplog, source, target, reason):
    name = f"{package.name}_broken"
    install(package, name, source, target)
    install(package, f"{name}_not", REGISTER.format(package=package.name, name="circle", value=0))
    shapes = registry_of(package)
    assert list(shapes) == list(shapes) == ["circle", "square"]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"plug-in '{name} = {target or name}' is skipped: ")
    assert reason in line


def test_a_plug_in_cannot_take_a_name_that_exists(package, caplog):
    """Also where it is imported before our own modules, for the sake of another registry."""
    name = f"{package.name}_clash"
    source = REGISTER.format(package=package.name, name="square", value=5)
    install(package, name, source + "SHAPES.register('circle', 0)\n")
    other: Registry[object] = Registry("colour", "evenrank.errors")
    assert list(other) == []
    shapes = registry_of(package)
    assert [shapes.get("square"), shapes.get("circle")] == [4, 0]
    (line,) = [record.getMessage() for record in caplog.records]
    assert (
        line == f"plug-in '{name} = {name}' is skipped: its shape 'square' has a name that exists"
    )


def test_threads_see_a_registry_only_when_it_is_complete(package):
    for number in range(5):
        (package / f"slow_{number}.py").write_text(
            "import time\ntime.sleep(0.02)\n"
            + REGISTER.format(package=package.name, name=f"slow {number}", value=number)
        )
    install(
        package,
        f"{package.name}_slow",
        f"from {package.name}.base import SHAPES\nimport time\nlist(SHAPES)\ntime.sleep(0.05)\n"
        "SHAPES.register('late', 9)\n",
    )
    shapes = registry_of(package)
    start = threading.Barrier(8)

    def names(_: int) -> list[str]:
        start.wait()
        return list(shapes)

    with ThreadPoolExecutor(8) as threads:
        seen = list(threads.map(names, range(8)))
    assert seen == [["late", *(f"slow {number}" for number in range(5)), "square"]] * 8


def test_a_module_may_look_names_up_while_it_is_imported(package):
    (package / "again.py").write_text(
        f"from {package.name}.base import SHAPES\nSHAPES.register('again', len(list(SHAPES)))\n"
    )
    assert list(registry_of(package)) == ["again", "square"]


def test_a_module_of_ours_that_fails_is_an_error_until_it_is_fixed(package):
    broken = package / "zigzag.py"
    broken.write_text("1 / 0\n")
    shapes = registry_of(package)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            shapes.get("square")
    broken.write_text(REGISTER.format(package=package.name, name="zigzag", value=8) + "# fixed\n")
    importlib.invalidate_caches()
    assert list(shapes) == ["square", "zigzag"]


def test_an_unknown_name_offers_the_nearest(package):
    with pytest.raises(UnknownNameError, match=r"unknown shape 'sqare'.*nearest is 'square'"):
        registry_of(package).get("sqare")


def test_a_name_is_of_one_thing():
    shapes: Registry[object] = Registry("shape", "evenrank.errors")
    value = object()
    assert shapes.register("square", value) is value
    shapes.register("square", value)  # the same again, as when a module is imported twice
    with pytest.raises(ConfigError, match="shape 'square': found a second registration"):
        shapes.register("square", object())
    assert shapes.get("square") is value


def test_the_decorator_leaves_what_it_decorates_as_it_is():
    shapes: Registry[object] = Registry("shape", "evenrank.errors")

    @shapes.decorator("square")
    def square() -> int:
        return 4

    assert square() == 4
    assert shapes.get("square") is square
