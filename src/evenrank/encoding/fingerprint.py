"""What identifies an encoder: everything that its vectors depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import orjson

from evenrank.encoding.prompts import prompts_of
from evenrank.encoding.routes import has_routes, inputs_of
from evenrank.files import fingerprint_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

_NOT_THE_MODEL = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")


def model_fingerprint(model: SentenceTransformer) -> str:
    """Return a short SHA-256 of all that an encoder's vectors depend on.

    That is weights (names, types, shapes, bytes), the settings of each module, the tokenizer, the
    prompts and the maximum length. It does not depend on the name of the folder, the device or the
    versions of libraries, so an encoder that is saved and loaded keeps its fingerprint.
    """
    parts = [f"{name} {_digest(weights)}" for name, weights in sorted(model.state_dict().items())]
    settings = {
        "modules": _settings_of(model),
        "prompts": prompts_of(model),
        "default_prompt": model.default_prompt_name,
        "truncate_dim": model.truncate_dim,
    }
    if has_routes(model):
        routes = {route: _settings_of(modules) for route, modules in model[0].sub_modules.items()}
        settings |= {"routes": routes, "inputs": list(map(_input, inputs_of(model)))}
    else:
        settings |= _input(model[0])
    options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
    return fingerprint_of(*parts, orjson.dumps(settings, option=options, default=str))


def _settings_of(modules: Iterable[Any]) -> list[list[Any]]:
    return [[type(one).__name__, getattr(one, "get_config_dict", dict)()] for one in modules]


def _input(module: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return what a module that reads texts depends on in addition."""
    length = getattr(module, "max_seq_length", None)
    config: Any = getattr(module, "config", None)
    architecture = {} if config is None else config.to_dict()
    return {
        "architecture": {
            key: value for key, value in architecture.items() if key not in _NOT_THE_MODEL
        },
        "max_length": "inf" if length == float("inf") else length,  # JSON has no infinity
        "tokenizer": _tokenizer(module),
    }


def _digest(weights: Tensor) -> str:
    import torch

    data = weights.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    digest = hashlib.sha256(data.data).hexdigest()
    return f"{weights.dtype} {list(weights.shape)} {digest}"


def _tokenizer(module: Any) -> Any:  # noqa: ANN401 - JSON
    """Return the tokenizer as JSON, without the padding and truncation of the latest batch."""
    tokenizer = getattr(module.tokenizer, "backend_tokenizer", module.tokenizer)
    if not hasattr(tokenizer, "to_str"):  # written in Python
        return sorted(module.tokenizer.get_vocab().items())
    settings = orjson.loads(tokenizer.to_str())
    if tokenizer is not module.tokenizer:  # transformers sets both again for each batch
        del settings["padding"], settings["truncation"]
    return settings
