"""Encoders from a folder or from the Hugging Face hub."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evenrank.encoding.base import ENCODERS
from evenrank.encoding.presets import FINISHED, PLAIN, Preset, presets
from evenrank.encoding.prompts import set_max_length, set_prompts
from evenrank.errors import DataError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_PICKLED = ("pytorch_model*.bin", "adapter_model.bin")
_EXPECTED = "a Sentence Transformers folder, a transformers checkpoint or a Hugging Face id"
_HUB_SECONDS = 10.0


def load_encoder(
    name_or_path: str,
    *,
    device: str | None = None,
    query_prompt: str | None = None,
    passage_prompt: str | None = None,
    max_length: int | None = None,
) -> SentenceTransformer:
    """Load any Sentence Transformers model or transformers checkpoint as an encoder.

    Prompts, pooling and longest text come from, in this order: the arguments, the preset of a known
    Hugging Face id, the model's own settings. A plain transformers checkpoint has no settings; it
    gets the paper's prompts (arXiv 2408.10536) and mean pooling. Vectors are compared by cosine,
    whatever the model was saved with.

    Weights of transformers are read from safetensors files only, and no code from the folder or
    repository is run. Without a connection, the hub's models are read from its local cache.

    Args:
        name_or_path: A folder, or an id ``owner/name`` on the Hugging Face hub.
        device: ``cpu``, ``cuda``, ...; a GPU if there is one by default.
        query_prompt: Prefix of queries, ``""`` for none.
        passage_prompt: Prefix of passages, ``""`` for none.
        max_length: Longest text in tokens; the rest of a longer text is cut off.

    Returns:
        A plain Sentence Transformers model, whose ``encode_query`` and ``encode_document`` use the
        prompts, also after it is saved and loaded again.

    Raises:
        DataError: There is no such model, it cannot be fetched, or it is not readable safely.
        ConfigError: ``max_length`` is more than the model has positions for.
    """
    local = _is_path(name_or_path)
    if local:
        _check_folder(Path(name_or_path))
    offline = None if local else _why_offline(name_or_path)
    with _one_line_errors(name_or_path, local=local, offline=offline):
        model = _load(name_or_path, device, local_files_only=local or offline is not None)
    preset = FINISHED if _is_finished(model) else PLAIN
    if not local:
        preset = presets().get(name_or_path, preset)
    given: dict[str, Any] = {
        "query_prompt": query_prompt,
        "passage_prompt": passage_prompt,
        "max_length": max_length,
    }
    _apply(model, replace(preset, **{key: val for key, val in given.items() if val is not None}))
    return model


def _load(name_or_path: str, device: str | None, *, local_files_only: bool) -> SentenceTransformer:
    import torch
    from sentence_transformers import SentenceTransformer

    # A checkpoint may lack weights that its architecture has, such as a pooler that nothing
    # reads; transformers draws them from the global generator.
    with (
        without_transformers_bars() if local_files_only else nullcontext(),
        torch.random.fork_rng(devices=[]),
    ):
        torch.manual_seed(0)
        return SentenceTransformer(
            name_or_path,
            device=device,
            local_files_only=local_files_only,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )


def _is_finished(model: SentenceTransformer) -> bool:
    """Tell a Sentence Transformers model from a checkpoint that just got a default pooling."""
    return bool(model.module_kwargs)


def _apply(model: SentenceTransformer, preset: Preset) -> None:
    from sentence_transformers.sentence_transformer.modules import Pooling

    if preset.pooling is not None and not _is_finished(model):
        model[1] = Pooling(model[0].get_embedding_dimension(), preset.pooling)
    set_prompts(model, preset.query_prompt, preset.passage_prompt)
    set_max_length(model, preset.max_length)
    model.similarity_fn_name = "cosine"


def _is_path(name: str) -> bool:
    return Path(name).exists() or name.count("/") != 1 or name.startswith((".", "/", "~"))


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        raise DataError(f"encoder {str(folder)!r}", "nothing", _EXPECTED, _remedy(str(folder)))
    if not folder.is_dir():
        raise DataError(str(folder), "a file", _EXPECTED, "Name the folder that holds the model")
    if not any((folder / name).is_file() for name in ("modules.json", "config.json")):
        raise DataError(
            str(folder),
            "a folder with neither modules.json nor config.json",
            _EXPECTED,
            "Name the folder that save_pretrained wrote; a training run keeps it as 'model'",
        )
    for part in (folder, *(path for path in folder.iterdir() if path.is_dir())):
        pickled = sorted(path for pattern in _PICKLED for path in part.glob(pattern))
        if pickled and not any(part.glob("*.safetensors")):
            raise DataError(
                str(pickled[0]),
                "pickled weights, which can run code when they are read",
                "weights in model.safetensors",
                "Where you trust the file, load it with its library and save it anew with "
                "save_pretrained",
            )


def _remedy(name: str) -> str:
    """Offer the nearest known name for one that is neither a folder nor ``owner/name``."""
    known = {id_.rpartition("/")[2].lower(): id_ for id_ in [*ENCODERS, *presets()]}
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {known[near[0]]!r}"
    return "Correct the path, or write a hub id as owner/name"


def _why_offline(name: str) -> str | None:
    """Ask the hub for a model; return why it cannot be asked, or ``None`` if it has it.

    One question with a short time limit: the libraries would ask for each file six times, waiting
    ever longer in between.

    Raises:
        DataError: The hub answers that there is no such model.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        HfApi().model_info(name, timeout=_HUB_SECONDS)
    except RepositoryNotFoundError as cause:
        raise DataError(
            f"encoder {name!r}",
            "neither a folder nor a model on the Hugging Face hub",
            _EXPECTED,
            "Check the spelling; a private or gated model needs 'hf auth login'",
        ) from cause
    except Exception as cause:  # each version of the library has its own errors
        return _first_words(cause)
    return None


@contextmanager
def _one_line_errors(name: str, *, local: bool, offline: str | None) -> Iterator[None]:
    """Turn what the libraries raise about a model that cannot be read into one line."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as cause:
        found = f"no readable model ({_first_words(cause)})"
        remedy = "Save the model anew with save_pretrained, or name another one"
        if offline is not None:
            found = f"no folder, nothing in the cache, and no hub ({offline})"
            remedy = "Check spelling and network, or download the model and name its folder"
        elif not local:
            remedy = "Check that the repository holds a text encoder with safetensors weights"
        raise DataError(f"encoder {name!r}", found, _EXPECTED, remedy) from cause


def _first_words(cause: Exception) -> str:
    return f"{type(cause).__name__}: {' '.join(str(cause).split())[:200]}"


@contextmanager
def without_transformers_bars() -> Iterator[None]:
    """Silence the bars that transformers shows for each file it reads or writes."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
