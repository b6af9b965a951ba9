"""The model that a run starts from: a checkpoint, or a small encoder made from the corpus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sentence_transformers import SentenceTransformer

from evenrank.data.corpus import ParallelCorpus
from evenrank.encoding.base import ENCODERS, build_encoder
from evenrank.encoding.loading import load_encoder
from evenrank.encoding.prompts import set_max_length, set_prompts
from evenrank.errors import ConfigError
from evenrank.training.config import TrainConfig

PRETRAINED_LEARNING_RATE = 3e-5
"""The paper's learning rate, for encoders that are trained already."""

_ROWS_AT_ONCE = 10_000


def texts_of(corpora: Sequence[ParallelCorpus]) -> Iterator[str]:
    """Yield the queries and passages of every item in every language, read in pieces."""
    for corpus in corpora:
        rows = corpus.rows[corpus.rows >= 0]
        for begin in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[begin : begin + _ROWS_AT_ONCE]
            yield from corpus.column("query", some)
            yield from corpus.column("passage", some)


def make_model(
    config: TrainConfig, corpora: Sequence[ParallelCorpus]
) -> tuple[SentenceTransformer, float]:
    """Return the model to train and its learning rate.

    Args:
        config: All settings.
        corpora: What an encoder from scratch learns its tokenizer from.

    Raises:
        ConfigError: Sizes are given for an encoder that has its own.
        DataError: The checkpoint cannot be read.
    """
    if config.encoder in ENCODERS:
        model = build_encoder(
            config.encoder, texts_of(corpora), config.encoder_settings, seed=config.seed
        )
        set_prompts(model, config.query_prompt, config.passage_prompt)
        set_max_length(model, config.max_length)
        return model, config.learning_rate or ENCODERS.get(config.encoder).learning_rate
    if config.encoder_settings:
        raise ConfigError(
            "encoder_settings",
            ", ".join(config.encoder_settings),
            f"none, since {config.encoder!r} is a trained encoder with sizes of its own",
            f"Remove them, or use one of {', '.join(ENCODERS)}",
        )
    model = load_encoder(
        config.encoder,
        query_prompt=config.query_prompt,
        passage_prompt=config.passage_prompt,
        max_length=config.max_length,
    )
    return model, config.learning_rate or PRETRAINED_LEARNING_RATE
