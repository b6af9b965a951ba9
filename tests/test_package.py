"""The public interface of the package."""

from __future__ import annotations

import evenrank


def test_public_names_are_sorted_and_all_there():
    assert evenrank.__all__ == sorted(evenrank.__all__)
    assert set(evenrank.__all__) == set(evenrank._HOME)
    for name in evenrank.__all__:
        value = getattr(evenrank, name)
        assert value.__name__ == name
        assert value.__module__ == f"evenrank.{evenrank._HOME[name]}"
        assert value.__doc__
