"""The upload of a finished model to the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.utils.tqdm import disable_progress_bars

from evenrank.errors import ConfigError


def claim_repository(name: str) -> None:
    """Create a private repository, or prove that it exists, before the work starts.

    Raises:
        ConfigError: The hub cannot be reached, or refuses.
    """
    with _refusals(name, "Log in with 'hf auth login', or correct the name"):
        hub = HfApi()
        hub.whoami()  # with a wrong token, a repository that exists would do for the next line
        hub.create_repo(name, private=True, exist_ok=True)


def upload(folder: Path, name: str) -> None:
    """Upload a model without ``evenrank.json``, which has paths of this machine.

    Raises:
        ConfigError: The hub cannot be reached, or refuses. The model stays where it is.
    """
    disable_progress_bars()
    with _refusals(name, f"The model is in {folder}: 'hf upload {name} {folder}' uploads it"):
        HfApi().upload_folder(
            repo_id=name,
            folder_path=folder,
            ignore_patterns=["evenrank.json"],
            commit_message="Add the model",
        )


@contextmanager
def _refusals(name: str, remedy: str) -> Iterator[None]:
    try:
        yield
    except Exception as cause:  # each version of the library has its own errors
        found = f"a hub that refuses {name} ({type(cause).__name__}: {_first_line(cause)})"
        raise ConfigError("push_to_hub", found, "a repository to write to", remedy) from cause


def _first_line(cause: Exception) -> str:
    return next(iter(str(cause).strip().splitlines()), "")[:200]
