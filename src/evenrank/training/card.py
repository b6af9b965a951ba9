"""The model card: ``README.md`` of a model, with how it was trained and how it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from sentence_transformers import SentenceTransformer

from evenrank.encoding.base import ENCODERS
from evenrank.encoding.prompts import prompts_of
from evenrank.encoding.routes import maximum_length
from evenrank.tables import escape_markdown
from evenrank.training.config import TrainConfig

_USAGE = """\
## Usage

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{name}"{options})
queries = model.encode_query(["Which planet is known as the Red Planet?"])
passages = model.encode_document(["Mars is often referred to as the Red Planet."])
print(model.similarity(queries, passages))
```

`encode_query` and `encode_document` put the prompts before the texts. Texts in all languages above
are compared by cosine.
"""


def write_card(
    folder: Path,
    model: SentenceTransformer,
    config: TrainConfig,
    facts: Mapping[str, Any],
    log: Sequence[Mapping[str, Any]],
) -> None:
    """Write the card of a trained model.

    It has no text of the corpora and no path of this machine.

    Args:
        folder: The model's folder.
        model: The model.
        config: All settings.
        facts: ``strategy``, ``languages``, ``corpora``, ``last_step`` and ``selected_step``.
        log: Entries of ``step``, ``loss`` and ``dev``.
    """
    base = _public_name(config.encoder)
    name = config.push_to_hub or folder.parent.name
    header: dict[str, Any] = {
        "language": list(facts["languages"]),
        "library_name": "sentence-transformers",
        "pipeline_tag": "sentence-similarity",
        "tags": ["sentence-transformers", "feature-extraction", "multilingual", "evenrank"],
    }
    if "/" in base:
        header["base_model"] = base
    rows = _training(config, facts, log) | _vectors(model, config)
    rows = {"base model": f"new encoder ({base})" if base in ENCODERS else base} | rows
    lines = [
        "---",
        yaml.safe_dump(header, sort_keys=False, allow_unicode=True).rstrip(),
        "---",
        "",
        f"# {escape_markdown(name.rpartition('/')[2])}",
        "",
        "A dense retriever for queries and passages in several languages, trained with evenrank.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {key} | {escape_markdown(str(value))} |" for key, value in rows.items()),
        "",
    ]
    options = f", truncate_dim={min(config.matryoshka)}" if config.matryoshka else ""
    usage = _USAGE.format(name=config.push_to_hub or "FOLDER", options=options)
    (folder / "README.md").write_text("\n".join(lines) + "\n" + usage, encoding="utf-8")


def _training(
    config: TrainConfig, facts: Mapping[str, Any], log: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what was done, by its name in the card."""
    alpha = config.alpha if isinstance(config.alpha, tuple) else (config.alpha,)
    shown = ", ".join(f"{one:g}" for one in alpha)
    rows = {
        "strategy": facts["strategy"],
        "alpha": shown if config.strategy.startswith("hybrid") else "",
        "languages": ", ".join(facts["languages"]),
        "data": ", ".join(facts["corpora"]),
        "loss": " + ".join(["InfoNCE", *(f"{w:g} {name}" for name, w in config.losses.items())]),
        "teacher": _public_name(config.teacher or ""),
        "temperature": config.temperature,
        "pairs in a batch": config.batch_size,
        "queries of a passage": config.queries_per_passage
        if config.queries_per_passage > 1
        else "",
        "steps": facts["last_step"],
        "selected step": facts["selected_step"],
        "seed": config.seed,
        "LoRA": ", ".join(f"{key} {value}" for key, value in config.lora.items()),
    }
    dev = {entry["step"]: entry["dev"] for entry in log if "dev" in entry}
    if facts["selected_step"] in dev:
        rows[f"{config.select_by} on dev"] = f"{dev[facts['selected_step']]:.4f}"
    return {key: value for key, value in rows.items() if value not in ("", None)}


def _vectors(model: SentenceTransformer, config: TrainConfig) -> dict[str, Any]:
    """Return what a user of the vectors needs to know."""
    query, passage = prompts_of(model)
    full = model.get_embedding_dimension()
    widths = sorted({full, *config.matryoshka}, reverse=True)
    return {
        "width" if len(widths) == 1 else "widths": ", ".join(map(str, widths)),
        "prompt of queries": repr(query),
        "prompt of passages": repr(passage),
        "maximum length in tokens": maximum_length(model),
    }


def _public_name(model: str) -> str:
    """Return the name of a model without the path of a folder or the address of a server."""
    if Path(model).exists():
        return Path(model).resolve().name
    return model.partition("@")[0] if "://" in model else model
