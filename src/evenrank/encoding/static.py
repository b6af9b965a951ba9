"""The ``static`` encoder: a text is the mean of its pieces' vectors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from evenrank.encoding.base import encoder
from evenrank.encoding.prompts import set_prompts
from evenrank.encoding.tokenizer import sample_texts, train_tokenizer

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer


class StaticSettings(BaseModel):
    """Settings of ``static``; ``docs/encoders.md`` says how the defaults were chosen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vocabulary: int = Field(
        16_000, ge=512, description="Maximum number of pieces of the tokenizer."
    )
    width: int = Field(1024, ge=1, description="Length of an embedding.")
    lower_case: bool = Field(True, description="Whether words that differ in case are the same.")
    rarity: float | None = Field(
        1e-3,
        gt=0,
        description="a in the initial length a / (a + p) of a piece's vector, p being the piece's "
        "share of the text; null: equal lengths.",
    )
    query_prompt: str = Field("", description="Prefix of queries.")
    passage_prompt: str = Field("", description="Prefix of passages.")


@encoder("static", StaticSettings, learning_rate=3e-2)
def build_static(texts: Iterable[str], settings: StaticSettings, seed: int) -> SentenceTransformer:
    """Mean of word-piece vectors: no transformer, fast on a CPU.

    A Sentence Transformers ``StaticEmbedding``. Vectors start in random directions, which are
    nearly orthogonal (a random projection of the bag of pieces). Their length is a / (a + p),
    smooth inverse frequency (Arora et al. 2017, "A simple but tough-to-beat baseline for sentence
    embeddings"), so that frequent pieces count little.

    Args:
        texts: Queries and passages; the tokenizer and the frequencies come from a sample of them.
        settings: Sizes and initial weights.
        seed: Source of the directions and of the sample.

    Raises:
        DataError: There is no text.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    sample = sample_texts(texts, seed=seed)
    tokenizer = train_tokenizer(sample, settings.vocabulary, lower_case=settings.lower_case)
    pieces = tokenizer.get_vocab_size()
    generator = np.random.Generator(np.random.Philox(seed))
    weights = generator.standard_normal((pieces, settings.width), dtype=np.float32)
    if settings.rarity is not None:
        share = _shares(tokenizer, sample, pieces)
        weights *= (settings.rarity / (settings.rarity + share)).astype(np.float32)[:, None]
    model = SentenceTransformer(
        modules=[StaticEmbedding(tokenizer, embedding_weights=weights)],
        device="cpu",
        similarity_fn_name="cosine",
    )
    set_prompts(model, settings.query_prompt, settings.passage_prompt)
    return model


def _shares(tokenizer: Tokenizer, texts: Sequence[str], pieces: int) -> NDArray[np.float64]:
    """Return each piece's share of all pieces of the texts, ``(pieces,)``, summing to 1."""
    counts = np.zeros(pieces, dtype=np.int64)
    for start in range(0, len(texts), 4096):
        for encoding in tokenizer.encode_batch(texts[start : start + 4096]):
            counts += np.bincount(encoding.ids, minlength=pieces)
    return counts / max(int(counts.sum()), 1)
