"""Prompts and maximum lengths of an encoder, set where Sentence Transformers saves them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evenrank.encoding.routes import ROUTES, input_of, inputs_of
from evenrank.errors import ConfigError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_DOCUMENT_NAMES = ("document", "passage", "corpus")


def set_prompts(model: SentenceTransformer, query: str | None, passage: str | None) -> None:
    """Set the texts that ``encode_query`` and ``encode_document`` put before each text.

    Args:
        model: The encoder to change.
        query: Prefix of queries, ``""`` for none; ``None`` keeps the encoder's own.
        passage: Prefix of passages, ``""`` for none; ``None`` keeps the encoder's own.
    """
    own_query, own_passage = prompts_of(model)
    model.prompts = {
        **model.prompts,
        "query": own_query if query is None else query,
        "document": own_passage if passage is None else passage,
    }


def prompts_of(model: SentenceTransformer) -> tuple[str, str]:
    """Return an encoder's prefixes of queries and passages, ``""`` if it has none.

    Models call the second one ``document``, ``passage`` or ``corpus``. Sentence Transformers adds
    an empty ``document`` when it loads a model, and then ignores the other two names: here the
    first one that is not empty is used.
    """
    found = (model.prompts.get(name) for name in _DOCUMENT_NAMES)
    return model.prompts.get("query") or "", next((prompt for prompt in found if prompt), "")


def set_max_length(model: SentenceTransformer, tokens: int | None) -> None:
    """Cut texts after a number of tokens, which includes special tokens and the prompt.

    Args:
        model: The encoder to change.
        tokens: Maximum length; ``None`` keeps the encoder's own, lowered to its position limit: the
            tokenizers of some XLM-R checkpoints state no limit, and long texts would fail.

    Raises:
        ConfigError: The encoder has fewer positions.
    """
    for module in inputs_of(model):
        _set_length(module, "max_length", tokens)


def _set_length(module: Any, name: str, tokens: int | None) -> None:  # noqa: ANN401
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    if isinstance(module, StaticEmbedding):
        if tokens is not None:
            module.tokenizer.enable_truncation(tokens)
        return
    own, limit = getattr(module, "max_seq_length", None), _position_limit(module)
    _check_length(name, tokens, limit)
    chosen = [length for length in (own if tokens is None else tokens, limit) if length is not None]
    if chosen and min(chosen) != own:
        module.max_seq_length = min(chosen)


def set_lengths(model: SentenceTransformer, query: int | None, passage: int | None) -> None:
    """Cut queries and passages after numbers of tokens of their own.

    ``encode_query`` and ``encode_document`` do so too, also after the model is saved and loaded.

    Args:
        model: The encoder to change.
        query: Maximum length of queries; ``None`` keeps the encoder's own.
        passage: Maximum length of passages; ``None`` keeps the encoder's own.

    Raises:
        ConfigError: The encoder has fewer positions, or one length for all texts.
    """
    given = {"query_max_length": query, "passage_max_length": passage}
    for (name, tokens), route in zip(given.items(), ROUTES, strict=True):
        if tokens is None:
            continue
        module = input_of(model, route)
        if len(inputs_of(model)) > 1:
            _set_length(module, name, tokens)
            continue
        if not hasattr(module, f"{route}_length"):
            expected = "no value, since this encoder has one length for all texts"
            raise ConfigError(name, str(tokens), expected, "Use max_length")
        _check_length(name, tokens, _position_limit(module))
        setattr(module, f"{route}_length", tokens)


def _check_length(name: str, tokens: int | None, limit: int | None) -> None:
    if tokens is not None and limit is not None and tokens > limit:
        expected = f"at most {limit} tokens (the encoder's position limit)"
        raise ConfigError(name, str(tokens), expected, f"Lower {name}")


def _position_limit(module: Any) -> int | None:  # noqa: ANN401
    """Return how many tokens a module has position embeddings for; ``None`` without a limit."""
    config = getattr(module, "config", None)
    positions: int | None = getattr(config, "max_position_embeddings", None)
    if positions is None or positions < 1:  # XLNet writes -1 for "no limit"
        return None
    embeddings = getattr(module.model, "embeddings", None)
    padding: int | None = getattr(embeddings, "padding_idx", None)
    # RoBERTa and its relatives count positions from the number after that of the padding token
    return positions if padding is None else positions - padding - 1
