"""Prompts and longest text of an encoder, set where Sentence Transformers saves them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evenrank.errors import ConfigError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_DOCUMENT_NAMES = ("document", "passage", "corpus")


def set_prompts(model: SentenceTransformer, query: str | None, passage: str | None) -> None:
    """Set the texts that ``encode_query`` and ``encode_document`` put before theirs.

    Args:
        model: The encoder to change.
        query: Prefix of queries, ``""`` for none; ``None`` leaves the encoder's own.
        passage: Prefix of passages, ``""`` for none; ``None`` leaves the encoder's own.
    """
    own_query, own_passage = prompts_of(model)
    model.prompts = {
        **model.prompts,
        "query": own_query if query is None else query,
        "document": own_passage if passage is None else passage,
    }


def prompts_of(model: SentenceTransformer) -> tuple[str, str]:
    """Return an encoder's prefixes of queries and passages, ``""`` where it has none.

    Models call the second one ``document``, ``passage`` or ``corpus``. Sentence Transformers adds
    an empty ``document`` when it loads a model, and so passes over the other two names: here the
    first that is not empty counts.
    """
    found = (model.prompts.get(name) for name in _DOCUMENT_NAMES)
    return model.prompts.get("query") or "", next((prompt for prompt in found if prompt), "")


def set_max_length(model: SentenceTransformer, tokens: int | None) -> None:
    """Cut texts after so many tokens, special tokens and prompt included.

    Args:
        model: The encoder to change.
        tokens: Longest text; ``None`` leaves the encoder's own, lowered to what it has positions
            for: XLM-R checkpoints whose tokenizer states no limit would fail on long texts.

    Raises:
        ConfigError: The encoder has positions for fewer tokens.
    """
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    if isinstance(model[0], StaticEmbedding):
        if tokens is not None:
            model[0].tokenizer.enable_truncation(tokens)
        return
    own, limit = model.max_seq_length, _positions(model)
    if tokens is not None and limit is not None and tokens > limit:
        raise ConfigError(
            "max_length",
            str(tokens),
            f"at most {limit}, for so many positions has the encoder",
            "Lower max_length",
        )
    chosen = [length for length in (own if tokens is None else tokens, limit) if length is not None]
    if chosen and min(chosen) != own:
        model.max_seq_length = min(chosen)


def _positions(model: SentenceTransformer) -> int | None:
    """Return how many tokens an encoder has position embeddings for, or ``None`` if any number."""
    config = model.config
    positions: int | None = getattr(config, "max_position_embeddings", None)
    if positions is None or positions < 1:  # XLNet writes -1 for "any number"
        return None
    return positions - _first_position(model.transformers_model)


def _first_position(transformer: Any) -> int:  # noqa: ANN401 - any class of transformers
    """Return the position of the first token: RoBERTa's family counts from after the padding."""
    padding: int | None = getattr(getattr(transformer, "embeddings", None), "padding_idx", None)
    return 0 if padding is None else padding + 1
