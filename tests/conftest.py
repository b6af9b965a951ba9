"""Fixtures that every room's tests may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("unhurried", deadline=None)  # times say nothing on a busy machine
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; tests that need it say that they skipped when it is absent."""
    folder = os.environ.get("EVENRANK_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("EVENRANK_DATA is not set to a folder of real data")
    return Path(folder)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """No test reads or fills the user's cache."""
    monkeypatch.setenv("EVENRANK_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
