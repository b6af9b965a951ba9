"""``evenrank doctor``: facts about the machine, for a report of a fault."""

from __future__ import annotations

import locale
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, entry_points, requires, version
from pathlib import Path
from typing import Any

import typer

from evenrank.cli.options import AsJson, print_json, say
from evenrank.errors import FileError
from evenrank.files import cache_folder, require_writable
from evenrank.registry import ENTRY_POINT_GROUP

_VARIABLES = (
    "EVENRANK_CACHE",
    "EVENRANK_DATA",
    "EVENRANK_DEBUG",
    "EVENRANK_LOG_SECONDS",
    "EVENRANK_QUIET",
    "CUDA_VISIBLE_DEVICES",
    "HF_HOME",
    "HF_HUB_OFFLINE",
    "LOCAL_WORLD_SIZE",
    "NUMBA_NUM_THREADS",
    "OMP_NUM_THREADS",
    "PYTHONUTF8",
    "TMPDIR",
    "WORLD_SIZE",
    "XDG_CACHE_HOME",
)
"""Only these are shown: others may contain keys."""


def doctor() -> dict[str, Any]:
    """Return facts about the machine and the installation, for a report of a fault.

    Returns:
        ``problems`` (texts), ``versions`` (of evenrank, Python and the packages it needs),
        ``system``, ``devices``, ``folders`` (sizes in GB), ``environment`` and ``plug_ins``.
        No key and no text of the user is in it, and the home folder is ``~``.
    """
    problems: list[str] = []
    packages = dict(_packages())
    problems += [f"{name} is not installed" for name, number in packages.items() if not number]
    devices = _devices(problems)
    facts = {
        "versions": {"evenrank": version("evenrank"), "python": sys.version.split()[0], **packages},
        "system": _system(),
        "devices": devices,
        "folders": _folders(problems),
        "environment": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
        "plug_ins": {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)},
    }
    shown: dict[str, Any] = _without_home({"problems": problems, **facts})
    return shown


def doctor_command(as_json: AsJson = False) -> None:
    """Show versions, devices, threads and folders, for a report of a fault.

    Exits with 1 if something is wrong. Example: evenrank doctor --json
    """
    facts = doctor()
    if as_json:
        print_json(facts)
    else:
        problems = facts.pop("problems")
        for section, values in facts.items():
            say(f"{section.replace('_', '-')}:")
            for name, value in values.items():
                say(f"  {name:<22} {value}")
        say("problems:" if problems else "problems: none found")
        for problem in problems:
            say(f"  {problem}")
        facts["problems"] = problems
    if facts["problems"]:
        raise typer.Exit(1)


def _packages() -> Iterator[tuple[str, str | None]]:
    """Yield each package that evenrank needs, with its version if it is installed."""
    for requirement in requires("evenrank") or ():
        name = re.split(r"[^\w.-]", requirement)[0]
        try:
            yield name, version(name)
        except PackageNotFoundError:
            yield name, None


def _system() -> dict[str, Any]:
    affinity = getattr(os, "sched_getaffinity", None)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if os.name == "posix" else 0
    return {
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "usable cores": len(affinity(0)) if affinity else os.cpu_count(),
        "memory GB": round(memory / 1e9, 1) or None,
        "memory limit GB": _memory_limit(),
        "locale": ".".join(filter(None, locale.getlocale())) or "C",
        "file names": sys.getfilesystemencoding(),
        "output": getattr(sys.stdout, "encoding", None),
    }


def _memory_limit() -> float | None:
    """Return the limit of a container, in GB."""
    for path in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = (Path("/sys/fs/cgroup") / path).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal() and int(text) < 1 << 60:
            return round(int(text) / 1e9, 1)
    return None


def _devices(problems: list[str]) -> dict[str, Any]:
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: one of its libraries cannot be loaded
        problems.append(f"PyTorch cannot be imported: {error}")
        return {}
    devices: dict[str, Any] = {"torch threads": torch.get_num_threads()}
    try:
        for number in range(torch.cuda.device_count()):
            about = torch.cuda.get_device_properties(number)
            devices[f"cuda:{number}"] = f"{about.name}, {about.total_memory / 1e9:.0f} GB"
        devices["cuda"] = torch.version.cuda if torch.cuda.is_available() else "not available"
        devices["mps"] = "available" if torch.backends.mps.is_available() else "not available"
    except RuntimeError as error:
        problems.append(f"PyTorch cannot use a GPU: {error}")
    return devices


def _folders(problems: list[str]) -> dict[str, str]:
    """Return the folders that evenrank writes to, with their size and the free space."""
    folders = {"cache": cache_folder(), "temporary files": Path(tempfile.gettempdir())}
    shown = {}
    for name, folder in folders.items():
        try:
            require_writable(folder)
            writable = "writable"
        except FileError as error:
            problems.append(str(error))
            writable = f"not writable: {error.found}"
        parts = [str(folder), writable]
        if name == "cache":
            parts.append(f"{_size(folder) / 1e9:.2f} GB")
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        parts.append(f"{shutil.disk_usage(existing).free / 1e9:.1f} GB free")
        shown[name] = ", ".join(parts)
    if (data := os.environ.get("EVENRANK_DATA")) and not Path(data).is_dir():
        problems.append(f"EVENRANK_DATA is not a folder: {data}")
    return shown


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _without_home(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return facts in which the home folder, which names its user, is ``~``."""
    if isinstance(value, str):
        home = str(Path.home())
        return re.sub(rf"{re.escape(home)}(?=/|$|[^\w])", "~", value) if len(home) > 1 else value
    if isinstance(value, dict):
        return {name: _without_home(inner) for name, inner in value.items()}
    return [_without_home(inner) for inner in value] if isinstance(value, list) else value
