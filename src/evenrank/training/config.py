"""The settings of a training run, from a YAML file, flags or Python."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from evenrank.errors import ConfigError
from evenrank.text import split_names


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def split_list(value: object) -> object:
    """Split texts at commas: ``de,en`` and ``[de, en]`` are the same list of languages."""
    values = _listed(value)
    if isinstance(values, list | tuple) and all(isinstance(one, str) for one in values):
        return split_names(values)
    return value


Weight = Annotated[float, Field(ge=0)]
Width = Annotated[int, Field(ge=1)]


class TrainConfig(BaseModel):
    """All settings of a training run; defaults are the paper's where it states them.

    The paper (arXiv 2408.10536) states AdamW, weight decay, learning rate, batch size, the
    prompts, and early stopping on validation loss. It does not state temperature, number of
    steps, maximum length, warm-up or seed: those defaults are ours.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    output: Path = Field(description="Run folder to create.")

    push_to_hub: str | None = Field(
        None,
        description="Hugging Face repository, owner/name, to upload the finished model to; a new "
        "one is private.",
    )

    corpora: Annotated[list[str], BeforeValidator(_listed)] = Field(
        min_length=1,
        description="Parallel corpora to train on: folders, files, hf:ID, world-facts.",
    )
    where: str | None = Field(
        None, description="Train on rows that match this filter, e.g. 'in_xquad = false'."
    )
    languages: Annotated[list[str] | None, BeforeValidator(split_list)] = Field(
        None, description="Use these languages only, such as de,en."
    )

    encoder: str = Field(
        description="A Sentence Transformers folder, a Hugging Face id, or 'static' or 'scratch' "
        "for a small new encoder, built from the training text."
    )
    encoder_settings: dict[str, Any] = Field(
        default_factory=dict, description="Sizes of 'static' and 'scratch', such as width=256."
    )
    max_length: int | None = Field(None, ge=2, description="Maximum length of a text in tokens.")
    query_max_length: int | None = Field(
        None, ge=2, description="The same for queries alone; by default max_length."
    )
    passage_max_length: int | None = Field(
        None, ge=2, description="The same for passages alone; by default max_length."
    )
    lora: dict[str, Any] = Field(
        default_factory=dict,
        description="Train small matrices next to frozen weights (LoRA): rank=8, alpha=16, "
        "dropout=0.1, targets=query,value, merge=false.",
    )
    query_prompt: str | None = Field(
        None, description="Prefix of queries; by default the encoder's own."
    )
    passage_prompt: str | None = Field(
        None, description="Prefix of passages; by default the encoder's own."
    )

    strategy: str = Field(
        "hybrid",
        description="x-x, x-x-mono, x-y, hybrid, x-y-mono, hybrid-mono, hybrid-queries, x-any, "
        "hybrid-any, pool, hybrid-pool, or another one that is registered.",
    )
    alpha: float | Annotated[tuple[float, ...], Field(min_length=1)] = Field(
        0.5,
        description="Share of monolingual batches in a hybrid strategy (of queries in "
        "hybrid-queries); several numbers: the values that it passes over training.",
    )
    alpha_schedule: str = Field(
        "linear", description="How alpha goes from one value to the next: linear, cosine or steps."
    )
    pool_languages: int = Field(2, ge=1, description="Languages of each item in a pool batch (k).")
    queries_per_passage: int = Field(
        1,
        ge=1,
        description="Queries of each passage in a batch: further ones are those of other items "
        "with the passage. They cost little, and train more.",
    )
    batch_size: int = Field(
        100, ge=2, description="Pairs of query and passage in a batch, over all devices."
    )
    corpus_exponent: float = Field(
        1.0, description="Corpora are drawn by size to this power: 1 by size, 0 uniformly."
    )
    language_exponent: float = Field(
        0.0, description="Languages are drawn by size to this power: 1 by size, 0 uniformly."
    )
    distinct_passages: bool = Field(
        True,
        description="Never put two items with one passage, or translations of it, into a batch: "
        "their passages would be false negatives.",
    )
    negatives: int = Field(0, ge=0, description="Hard negatives per pair, from the corpus.")
    in_batch_negatives: Annotated[list[str], BeforeValidator(split_list)] = Field(
        ["all"],
        min_length=1,
        description="Batches in which the passages of the other pairs are negatives: all, none, or "
        "modes such as x-x-mono. The others have hard negatives only.",
    )
    gather_negatives: bool = Field(True, description="Use the in-batch negatives of all devices.")
    mini_batch_size: int | None = Field(
        None, ge=1, description="Encode batches in parts of this size (GradCache): less memory."
    )

    temperature: float = Field(0.05, gt=0, description="Temperature of InfoNCE.")
    losses: dict[str, Weight] = Field(
        default_factory=dict,
        description="Losses added to InfoNCE, with their weights, such as consistency=0.5, "
        "keep=1 or teacher=1.",
    )
    teacher: str | None = Field(
        None,
        description="Model whose scores the loss 'teacher' learns: a folder, a Hugging Face id, "
        "openai:MODEL@URL or a URL.",
    )
    teacher_temperature: float | None = Field(
        None,
        gt=0,
        description="Temperature of the softmax of the teacher; by default temperature.",
    )
    matryoshka: dict[Width, Weight] = Field(
        default_factory=dict,
        description="Apply all losses to the first values of the vectors too: widths with their "
        "weights, such as 128=1 and 64=0.5.",
    )
    other_positives: bool = Field(
        True,
        description="In pool batches, keep the other relevant passages of a query in the "
        "denominator of InfoNCE.",
    )
    steps: int | None = Field(None, ge=1, description="Training steps; by default from epochs.")
    epochs: float = Field(
        1.0, gt=0, description="Passes over the rows of the corpora, if steps is not set."
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        description="Peak learning rate; by default 3e-5, or what suits a new small encoder.",
    )
    weight_decay: float = Field(1e-2, ge=0, description="Weight decay of AdamW.")
    warmup: float = Field(0.1, ge=0, lt=1, description="Share of the steps that warm up.")
    seed: int = Field(0, ge=0, lt=2**32, description="Source of all randomness.")
    trainer: dict[str, Any] = Field(
        default_factory=dict,
        description="Further arguments of SentenceTransformerTrainingArguments, such as "
        "max_grad_norm=2.",
    )

    dev: str | None = Field(None, description="Corpus that selects the model.")
    dev_fraction: float = Field(
        0.05, ge=0, lt=1, description="Share of passages to hold out as dev, if dev is not set."
    )
    dev_benchmark: str | None = Field(
        None, description="Benchmark for select_by; by default the dev corpus."
    )
    select_by: str = Field(
        "loss",
        description="Figure on dev that selects the model: 'loss', or a setting and a measure such "
        "as 'multi AP', 'mono R@1' or 'bias rank_distance'.",
    )
    eval_every: int | None = Field(
        None, ge=1, description="Steps between evaluations on dev; by default a tenth of the run."
    )
    patience: int | None = Field(
        5,
        ge=1,
        description="Stop after this many evaluations without improvement; null: never stop early.",
    )

    @field_validator("*", mode="before")
    @classmethod
    def _is_not_a_truth_value(cls, value: object, info: ValidationInfo) -> object:
        """Refuse ``true`` for a setting that is not a truth value: pydantic would read it as 1."""
        if (
            isinstance(value, bool)
            and cls.model_fields[str(info.field_name)].annotation is not bool
        ):
            raise ValueError("a number or a text")
        return value

    @field_validator("push_to_hub")
    @classmethod
    def _is_a_repository(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[\w.-]+/[\w.-]+", value):
            raise ValueError("owner/name")
        return value


def read_config(source: TrainConfig | str | Path | None, **overrides: Any) -> TrainConfig:  # noqa: ANN401
    """Read a YAML configuration; overrides that are not ``None`` replace its settings.

    Args:
        source: The file, or other settings; ``None`` to use the overrides alone.
        **overrides: Fields of :class:`TrainConfig`.

    Raises:
        ConfigError: The file is missing or not YAML, a setting is unknown (the nearest name is
            offered), or a value does not fit its setting.
    """
    place, values = "settings", dict[str, Any]()
    if isinstance(source, TrainConfig):
        values = source.model_dump()
    elif source is not None:
        place, values = str(source), _read_file(Path(source))
    values |= {key: value for key, value in overrides.items() if value is not None}
    return check_config(values, lambda _: place)


def check_config(values: Mapping[str, Any], place: Callable[[str], str]) -> TrainConfig:
    """Return settings as a configuration.

    Args:
        values: Fields of :class:`TrainConfig`.
        place: Returns where a setting was given, for messages.

    Raises:
        ConfigError: A setting is unknown, or a value does not fit its setting.
    """
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as cause:
        raise _as_config_error(cause, place) from None


def parse_yaml(text: str, place: str) -> Any:  # noqa: ANN401 - any YAML value
    """Read YAML by the core schema of YAML 1.2.

    Only ``null``, ``true``, ``false`` and numbers are not text. YAML 1.1, PyYAML's own
    rule, reads ``1e-8`` as text, the language ``no`` as false and 010 as eight.

    Raises:
        ConfigError: It is not YAML, repeats a key, or has an alias or a tag.

    >>> parse_yaml("languages: [no, de]", "doc"), parse_yaml("1e-8", "doc")
    ({'languages': ['no', 'de']}, 1e-08)
    """
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as cause:
        mark = getattr(cause, "problem_mark", None)
        raise ConfigError(
            f"{place}:{mark.line + 1}" if mark else place,
            (getattr(cause, "problem", None) or str(cause)).removeprefix("found ")[:200],
            "YAML",
            "Correct it",
        ) from None


def yaml_lines(text: str) -> dict[tuple[str, ...], int]:
    r"""Return the line of each key and list entry of a YAML text, by its path, from 1.

    >>> yaml_lines("base:\n  steps: 3\nseeds: [0]")
    {('base',): 1, ('base', 'steps'): 2, ('seeds',): 3, ('seeds', '0'): 3}
    """
    lines: dict[tuple[str, ...], int] = {}

    def walk(node: yaml.Node | None, path: tuple[str, ...]) -> None:
        if isinstance(node, yaml.MappingNode):
            inner = [(str(key.value), key, value) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            inner = [(str(number), value, value) for number, value in enumerate(node.value)]
        else:
            return
        for name, key, value in inner:
            lines[*path, name] = key.start_mark.line + 1
            walk(value, (*path, name))

    walk(yaml.compose(text, _Loader), ())
    return lines


def read_text(path: Path) -> str:
    """Return the text of a configuration file.

    Raises:
        ConfigError: It cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as cause:
        reason = (getattr(cause, "strerror", None) or "not UTF-8").lower()
        raise ConfigError(str(path), reason, "a YAML file in UTF-8", "Correct the path") from None


def _read_file(path: Path) -> dict[str, Any]:
    text = read_text(path)
    values = parse_yaml(text, str(path))
    if not isinstance(values, dict):
        names = {type(None): "an empty file", str: "a text", list: "a list"}
        found = names.get(type(values), f"the value {values!r}"[:200])
        raise ConfigError(str(path), found, "a mapping of settings", "Write 'name: value'")
    return {str(key): value for key, value in values.items()}


class _Loader(yaml.SafeLoader):
    """A safe loader with the scalars of YAML 1.2's core schema, without aliases."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as in the parent

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse aliases, which can be cyclic or fill the memory, and tags, which are code."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None):
            found = "an alias (*name)" if isinstance(event, yaml.AliasEvent) else "a tag (!name)"
            raise yaml.MarkedYAMLError(problem=found, problem_mark=event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that is repeated: YAML itself would use the last one."""
        seen = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.MarkedYAMLError(problem=f"{name!r} again", problem_mark=key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int | float:
    text = node.value.lower().replace(".inf", "inf").replace(".nan", "nan")
    if text.startswith(("0x", "0o")):
        return int(text, 0)
    return int(text) if text.lstrip("+-").isdecimal() else float(text)


_NUMBER = (
    r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
for _tag, _pattern in {
    "bool": "true|True|TRUE|false|False|FALSE",
    "null": "null|Null|NULL|~|",
    "float": _NUMBER,
}.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^({_pattern})$"), None)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)


def _as_config_error(cause: ValidationError, place_of: Callable[[str], str]) -> ConfigError:
    """Turn the first error of pydantic into one line with a remedy."""
    first = cause.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "settings"
    place = place_of(name)
    known = TrainConfig.model_fields
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        remedy = f"The nearest is {near[0]!r}" if near else "Remove it"
        expected = f"one of {', '.join(known)}"
        return ConfigError(place, f"unknown setting {name!r}", expected, remedy)
    if first["type"] == "missing":
        about = known[name].description or ""
        return ConfigError(
            place, f"no {name!r}", about[:1].lower() + about[1:].rstrip("."), f"Add --{name}"
        )
    expected = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return ConfigError(
        f"{place}, {name}", f"{first['input']!r}"[:200], expected, "Correct the value"
    )
