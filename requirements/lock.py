"""Write ``run.txt`` and ``dev.txt``: the exact versions installed here of all that is needed.

Follows the requirements of ``pyproject.toml`` through the installed packages' own metadata, so
that a package which only happens to be installed does not get into the lock.
"""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parent
HEADER = "# written by requirements/lock.py (make lock); do not edit\n"


def closure(requirements: list[str]) -> dict[str, str]:
    """Return name and version of everything that some requirements need here."""
    found: dict[str, str] = {}
    waiting = [(Requirement(text), "") for text in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        if name in found:
            continue
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            raise SystemExit(f"{name} is needed and not installed: pip install it first") from None
        found[name] = installed.version.split("+")[0]
        for text in installed.requires or []:
            for wanted in requirement.extras or {""}:
                waiting.append((Requirement(text), wanted))
    return found


def main() -> None:
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    run = closure([*project["project"]["dependencies"], *project["build-system"]["requires"]])
    dev = closure(project["dependency-groups"]["dev"])
    del dev["evenrank"]  # its extras are needed; itself it is installed from the checkout
    for name, pins in (("run", run), ("dev", {k: v for k, v in dev.items() if k not in run})):
        lines = [f"{package}=={version}\n" for package, version in sorted(pins.items())]
        (HERE / f"{name}.txt").write_text(HEADER + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
