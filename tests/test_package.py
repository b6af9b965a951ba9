"""The public interface of the package."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import evenrank


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", evenrank.__all__)
def test_a_public_name_is_there_and_explained(name):
    value = getattr(evenrank, name)
    assert value.__name__ == name
    assert value.__doc__


def test_the_interface_is_what_a_newcomer_looks_for():
    commands = {
        "doctor",
        "train",
        "evaluate",
        "compare",
        "write_report",
        "run_demo",
        "encode_benchmark",
    }
    assert commands < set(evenrank.__all__)
    assert evenrank.__version__ == version("evenrank")
    assert {*evenrank.__all__, "__version__"} == set(dir(evenrank))


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        evenrank.evalute  # noqa: B018
    assert not hasattr(evenrank, "_no_such_name")


def test_importing_the_package_imports_nothing_else():
    code = (
        "import sys; before = set(sys.modules); import evenrank; print(set(sys.modules) - before)"
    )
    loaded = run(code)
    assert "'evenrank'" in loaded
    assert "numpy" not in loaded
    assert "evenrank." not in loaded
