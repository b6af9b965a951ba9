"""Whether a model folder is what it seems: its files before it is loaded, its parts after.

Sentence Transformers and transformers replace what a folder misses with a default: a blank
tokenizer, random weights, mean pooling. The model then works and its figures mean nothing. Here
such a folder is refused, and the message names the file.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evenrank.encoding.routes import ROUTES, has_routes
from evenrank.encoding.sanity import PROBES
from evenrank.errors import DataError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

EXPECTED = "a Sentence Transformers folder, a transformers checkpoint or a Hugging Face id"
SAVE_AGAIN = "Copy the folder again, or save the model again with save_pretrained"

_PICKLED = ("pytorch_model*.bin", "adapter_model.bin")
_SHARDS = "model.safetensors.index.json"
_OBJECTS = (
    *("config.json", "config_sentence_transformers.json", "sentence_bert_config.json"),
    *("tokenizer.json", "tokenizer_config.json", _SHARDS),
)
"""Files that hold a JSON object that is not empty."""
_NEEDED: dict[str, tuple[str, ...]] = {
    "Transformer": ("config.json", "*.safetensors"),
    "StaticEmbedding": ("tokenizer.json", "*.safetensors"),
    "Pooling": ("config.json",),
    "Dense": ("config.json", "*.safetensors"),
}
"""What a module cannot be loaded without, by class."""
_ROUTERS = ("Router", "Asym")
_ROUTER_FILES = ("router_config.json", "config.json")
"""Where a Router lists its modules; the second one is that of earlier versions."""
_NOT_DENSE = ("sparse_encoder", "cross_encoder", "multi_vector_encoder")
_TASK_HEAD = re.compile(
    r"For(?!MaskedLM|CausalLM|PreTraining|ConditionalGeneration|TextEncoding)\w+$"
)
"""Architectures that are trained to classify, not to embed: a CrossEncoder is one of them."""
_MINIMUM_VOCABULARY = 0.75
"""Smallest share of a model's token embeddings that its tokenizer uses; models pad to 128."""


def check_files(folder: Path, *, published: bool = False, weights: bool = True) -> None:
    """Refuse a model folder of which a file is absent, damaged, unsafe or of another kind of model.

    Args:
        folder: The model.
        published: It is a snapshot of a hub repository, of which only what was read is there, and
            whose weights may be in the hub's own conversion.
        weights: PyTorch reads the weights, so there have to be safetensors files.

    Raises:
        DataError: The message names the file.
    """
    _refuse_folders(folder)
    for part, kind in _parts(folder):
        _refuse_folders(part)
        for name in _OBJECTS:
            if (part / name).is_file() and not isinstance(_json(part / name), dict):
                raise _damaged(part / name, "no JSON object", "a JSON object")
        pickled = sorted(path for pattern in _PICKLED for path in part.glob(pattern))
        if pickled and not any(part.glob("*.safetensors")) and not published:
            raise DataError(
                str(pickled[0]),
                "pickled weights, which can run code when they are read",
                "weights in model.safetensors",
                "If you trust the file, load it with its library and save it with save_pretrained",
            )
        for pattern in () if published else _NEEDED.get(kind, ()):
            if pattern == "*.safetensors" and kind == "Transformer" and not weights:
                continue
            if pattern == "config.json" and is_adapter(part):  # that of its base is read
                continue
            if not any(part.glob(pattern)):
                name = pattern.replace("*", "model")
                raise _damaged(part / name, "no such file", f"a file that {kind} is loaded from")
        _check_weight_files(part)


def check_loaded(model: SentenceTransformer, folder: Path, source: str, **options: Any) -> None:  # noqa: ANN401 - as from_pretrained
    """Refuse a model whose weights or tokenizer are not those of its configuration.

    Args:
        model: What Sentence Transformers has loaded.
        folder: Where its files are.
        source: The folder or Hugging Face id that it was loaded from.
        **options: What ``from_pretrained`` of transformers was called with.

    Raises:
        DataError: Weights are missing, are left over or have another shape, or the tokenizer is
            blank or of another model.
    """
    part = _parts(folder)[0][0]
    if not has_routes(model):
        _check_input(model[0], part, folder, source, **options)
        return
    structure = _json(_router_file(part))["structure"]
    for route in ROUTES:
        own = part / structure[route][0]
        if is_adapter(own):
            found, remedy = f"an adapter in the route {route!r}", "Merge it, and save the model"
            raise DataError(str(own), found, "weights of a whole model", remedy)
        _check_input(model[0].sub_modules[route][0], own, folder, source, **options)


def _check_input(first: Any, part: Path, folder: Path, source: str, **options: Any) -> None:  # noqa: ANN401
    """Check a module that reads texts."""
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    if isinstance(first, StaticEmbedding):
        _check_vocabulary(part, first.tokenizer.get_vocab_size(), first.num_embeddings)
    if not isinstance(first, Transformer):
        return
    if first.transformer_task != "feature-extraction":
        raise _not_dense(part, f"a model for {first.transformer_task}")
    if not (is_adapter(part) or getattr(first.model, "is_quantized", False)):
        subfolder = "" if part == folder else part.relative_to(folder).as_posix()
        _check_weights(first.model, part, source, subfolder=subfolder, **options)
    if first.tokenizer is not None and (rows := getattr(first.config, "vocab_size", None)):
        own = first.tokenizer.vocab_size  # added tokens may lie after those that have embeddings
        _check_vocabulary(part, own if own > rows else min(len(first.tokenizer), rows), rows)
        _check_tokenizer_class(part, first.tokenizer)


def is_adapter(part: Path) -> bool:
    """Tell whether weights are an adapter's, which adds to those of another checkpoint."""
    return (part / "adapter_config.json").exists()


def _parts(folder: Path) -> list[tuple[Path, str]]:
    """Return the folder and class of each module; a plain checkpoint is one transformer."""
    if not folder.is_dir():
        found = "a file" if folder.exists() else "no such folder"
        raise DataError(str(folder), found, EXPECTED, "Name the folder that contains the model")
    card = folder / "config_sentence_transformers.json"
    kind = _json(card).get("model_type", "SentenceTransformer") if card.is_file() else None
    if kind not in (None, "SentenceTransformer"):
        raise _not_dense(card, f"a {kind}")
    listed = folder / "modules.json"
    if not listed.is_file():
        return _checkpoint(folder, finished=kind is not None or any(folder.glob("[0-9]_*")))
    modules = _json(listed)
    if not (isinstance(modules, list) and modules and all(map(_is_module, modules))):
        raise _damaged(listed, "no list of modules", "a name, path and type for each module")
    for module in modules:
        if any(family in module["type"] for family in _NOT_DENSE):
            raise _not_dense(listed, f"a module {module['type']!r}")
        if Path(module["path"]).is_absolute() or ".." in Path(module["path"]).parts:
            raise _damaged(listed, f"the path {module['path']!r}", "a folder inside of the model")
    parts = []
    for module in modules:
        part, kind = folder / module["path"], module["type"].rpartition(".")[2]
        parts.append((part, kind))
        if kind in _ROUTERS:
            parts += _routed(part)
    return parts


def _router_file(part: Path) -> Path:
    return next((part / n for n in _ROUTER_FILES if (part / n).exists()), part / _ROUTER_FILES[0])


def _routed(part: Path) -> list[tuple[Path, str]]:
    """Return the folder and class of each module of a Router."""
    file = _router_file(part)
    facts = _json(file)
    types, structure, settings = (
        (facts.get(key) if isinstance(facts, dict) else None)
        for key in ("types", "structure", "parameters")
    )
    if not (isinstance(types, dict) and isinstance(structure, dict) and isinstance(settings, dict)):
        raise _damaged(file, "no lists of modules", "types, structure and parameters of a Router")
    if set(structure) != set(ROUTES) or settings.get("route_mappings"):
        raise DataError(
            str(file),
            f"the routes {', '.join(map(repr, structure))}",
            "the routes 'query' and 'document', without mappings",
            "Build the model with Router.for_query_document",
        )
    for route, names in structure.items():
        if not (isinstance(names, list) and names and all(name in types for name in names)):
            raise _damaged(
                file, f"the route {route!r} with {names!r}"[:200], "names of its modules"
            )
    for name, kind in types.items():
        if len(Path(name).parts) != 1 or name == "..":
            raise _damaged(file, f"the path {name!r}", "a folder inside of the model")
        if not isinstance(kind, str) or kind.rpartition(".")[2] in _ROUTERS:
            raise _damaged(file, f"a module of the type {kind!r}"[:200], "a module without routes")
        if any(family in kind for family in _NOT_DENSE):
            raise _not_dense(file, f"a module {kind!r}")
    return [(part / name, kind.rpartition(".")[2]) for name, kind in types.items()]


def _checkpoint(folder: Path, *, finished: bool) -> list[tuple[Path, str]]:
    """Return the one part of a transformers checkpoint, after a look at what it is for."""
    if finished:
        raise _damaged(folder / "modules.json", "no such file", "the list of modules of this model")
    config = folder / "config.json"
    if not config.is_file():
        raise DataError(
            str(folder),
            "a folder with neither modules.json nor config.json",
            EXPECTED,
            "Name the folder that save_pretrained wrote; a training run keeps it as 'model'",
        )
    facts = _json(config)
    for architecture in facts.get("architectures") or [] if isinstance(facts, dict) else []:
        if _TASK_HEAD.search(str(architecture)):
            raise _not_dense(config, f"a {architecture}")
    return [(folder, "Transformer")]


def _refuse_folders(part: Path) -> None:
    """Refuse a folder in the place of a file, which would count as absent."""
    named = (part / name for name in ("modules.json", *_OBJECTS))
    for path in (*named, *part.glob("*.safetensors")):
        if path.is_dir():
            raise _damaged(path, "a folder", "a file")


def _is_module(entry: object) -> bool:
    return isinstance(entry, dict) and all(
        isinstance(entry.get(key), str) for key in ("name", "path", "type")
    )


def _json(path: Path) -> Any:  # noqa: ANN401 - any JSON value
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, OSError) as cause:
        raise _damaged(path, f"no readable JSON ({cause})", "a JSON file") from cause
    if not value:
        raise _damaged(path, f"only {value!r}", "a JSON file with content")
    return value


def _check_weight_files(part: Path) -> None:
    """Read the header of each weight file, which also says how long the file has to be."""
    from safetensors import SafetensorError, safe_open

    for path in sorted(part.glob("*.safetensors")):
        try:
            with safe_open(path, framework="numpy"):
                pass
        except (SafetensorError, OSError) as cause:
            raise _damaged(path, f"no readable weights ({cause})", "a whole file") from cause
    if (part / _SHARDS).is_file() and not (part / "model.safetensors").is_file():
        names = _json(part / _SHARDS).get("weight_map")
        for name in sorted(set(names.values() if isinstance(names, dict) else [])):
            if not (part / str(name)).is_file():
                raise _damaged(part / str(name), "no such file", f"a file that {_SHARDS} names")


def _check_weights(module: Any, part: Path, source: str, **options: Any) -> None:  # noqa: ANN401 - of transformers
    """Compare the weight files with the architecture, by a load that reads only the names."""
    _, found = type(module).from_pretrained(
        source,
        config=module.config,
        device_map="meta",
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        **options,
    )
    if wrong := sorted(found["mismatched_keys"]):
        name, stored, expected = wrong[0]
        raise _other_weights(
            part, f"{name} of shape {list(stored)}", f"{list(expected)}, as config.json says"
        )
    # no dense encoder reads the pooler: pooling takes the last layer's token embeddings
    if missing := sorted(name for name in found["missing_keys"] if "pooler." not in name):
        raise _other_weights(
            part,
            f"{len(missing)} weights missing, such as {missing[0]}",
            "all weights of the model",
        )
    prefix = f"{module.base_model_prefix}."
    layers = {_numberless(name) for name in module.state_dict()}
    extra = sorted(name.removeprefix(prefix) for name in found["unexpected_keys"])
    if left := [name for name in extra if _numberless(name) in layers]:
        raise _other_weights(
            part, f"more layers than config.json says, such as {left[0]}", "weights of one model"
        )


def _numberless(name: str) -> str:
    return re.sub(r"\d+", "N", name)


def _check_vocabulary(part: Path, tokens: int, rows: int) -> None:
    if not rows * _MINIMUM_VOCABULARY <= tokens <= rows:
        raise _damaged(
            part / "tokenizer.json",
            f"a tokenizer of {tokens:,} tokens",
            f"the tokenizer of this model, which has embeddings of {rows:,} tokens",
        )


def _check_tokenizer_class(part: Path, tokenizer: Any) -> None:  # noqa: ANN401 - of transformers
    """Refuse a guessed tokenizer class that splits texts in another way than the tokenizer file."""
    from tokenizers import Tokenizer

    file = part / "tokenizer.json"
    if not file.is_file() or (part / "tokenizer_config.json").is_file():
        return
    stored = Tokenizer.from_file(str(file))
    for text in (text for pair in PROBES.values() for text in pair):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        if ids != stored.encode(text, add_special_tokens=False).ids:
            raise _damaged(
                part / "tokenizer_config.json", "no such file", "the class of this tokenizer"
            )


def _damaged(path: Path, found: str, expected: str) -> DataError:
    return DataError(str(path), found, expected, SAVE_AGAIN)


def _other_weights(part: Path, found: str, expected: str) -> DataError:
    return DataError(f"weights in {part}", found, expected, SAVE_AGAIN)


def _not_dense(path: Path, found: str) -> DataError:
    return DataError(
        str(path),
        f"{found}, which is not a dense encoder",
        "a model that gives one vector for each text",
        "Name a dense encoder; rankings of any other system are measured as a run file",
    )
