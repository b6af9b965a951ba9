"""What identifies an encoder: everything that its vectors depend on."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import orjson

from evenrank.encoding.prompts import prompts_of
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
    length = model.max_seq_length
    architecture = {} if model.config is None else model.config.to_dict()
    settings = {
        "modules": [
            [type(module).__name__, getattr(module, "get_config_dict", dict)()] for module in model
        ],
        "architecture": {
            key: value for key, value in architecture.items() if key not in _NOT_THE_MODEL
        },
        "prompts": prompts_of(model),
        "default_prompt": model.default_prompt_name,
        "max_length": "inf" if length == float("inf") else length,  # JSON has no infinity
        "truncate_dim": model.truncate_dim,
        "tokenizer": _tokenizer(model),
    }
    options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
    return fingerprint_of(*parts, orjson.dumps(settings, option=options, default=str))


def _digest(weights: Tensor) -> str:
    import torch

    data = weights.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    digest = hashlib.sha256(data.data).hexdigest()
    return f"{weights.dtype} {list(weights.shape)} {digest}"


def _tokenizer(model: SentenceTransformer) -> Any:  # noqa: ANN401 - JSON
    """Return the tokenizer as JSON, without the padding and truncation of the latest batch."""
    tokenizer = getattr(model.tokenizer, "backend_tokenizer", model.tokenizer)
    if not hasattr(tokenizer, "to_str"):  # written in Python
        return sorted(model.tokenizer.get_vocab().items())
    settings = orjson.loads(tokenizer.to_str())
    if tokenizer is not model.tokenizer:  # transformers sets both again for each batch
        del settings["padding"], settings["truncation"]
    return settings
