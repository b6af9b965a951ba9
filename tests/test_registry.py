"""The registry: a new file, or an installed distribution, is enough to add an extension."""

from __future__ import annotations

import sys

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
    for module in [module for module in sys.modules if module.split(".")[0] == name]:
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


def test_an_installed_distribution_adds_an_extension(package):
    """It names a module in the entry-point group, and is found by its metadata alone."""
    (package.parent / "other_shapes.py").write_text(
        REGISTER.format(package=package.name, name="circle", value=0)
    )
    metadata = package.parent / "other_shapes-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: other-shapes\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[evenrank.extensions]\nshapes = other_shapes\n")
    assert list(registry_of(package)) == ["circle", "square"]
    del sys.modules["other_shapes"]


def test_an_unknown_name_offers_the_nearest(package):
    with pytest.raises(UnknownNameError, match=r"unknown shape 'sqare'.*nearest is 'square'"):
        registry_of(package).get("sqare")


def test_a_name_stands_for_one_thing():
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
