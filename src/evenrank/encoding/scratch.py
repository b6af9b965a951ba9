"""The ``scratch`` encoder: a small transformer of the XLM-R architecture, untrained."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evenrank.encoding.base import encoder
from evenrank.encoding.loading import load_encoder, without_transformers_bars
from evenrank.encoding.tokenizer import sample_texts, train_tokenizer

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_START, _PAD, _END, _UNKNOWN, _MASK = SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


class ScratchSettings(BaseModel):
    """Settings of ``scratch``: a small XLM-R, of about 7 million weights by default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vocabulary: int = Field(
        16_000, ge=512, description="Maximum number of pieces of the tokenizer."
    )
    layers: int = Field(4, ge=1, description="Transformer layers.")
    width: int = Field(256, ge=1, description="Length of an embedding; a multiple of heads.")
    heads: int = Field(4, ge=1, description="Attention heads of a layer.")
    inner_width: int = Field(1024, ge=1, description="Width inside of the feed-forward part.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout in training.")
    max_length: int = Field(
        256, ge=8, description="Maximum number of tokens; longer texts are cut off."
    )
    lower_case: bool = Field(True, description="Whether words that differ in case are the same.")
    query_prompt: str = Field("Query: ", description="Prefix of queries.")
    passage_prompt: str = Field("Passage: ", description="Prefix of passages.")

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"a width that is a multiple of the {self.heads} heads")
        return self


@encoder("scratch", ScratchSettings, learning_rate=5e-4)
def build_scratch(
    texts: Iterable[str], settings: ScratchSettings, seed: int
) -> SentenceTransformer:
    """Small XLM-R architecture with mean pooling: the transformer path without a download.

    It is saved as a transformers checkpoint and loaded like any other, so that training and
    evaluation treat it as they treat a real XLM-R.

    Args:
        texts: Queries and passages; the tokenizer is trained on a sample of them.
        settings: Sizes.
        seed: Source of the initial weights and of the sample.

    Raises:
        DataError: There is no text.
    """
    sample = sample_texts(texts, seed=seed)
    with TemporaryDirectory(prefix="evenrank-") as folder:
        pieces = _save_tokenizer(sample, settings, Path(folder))
        _save_transformer(pieces, settings, seed, Path(folder))
        model = load_encoder(
            folder,
            device="cpu",
            query_prompt=settings.query_prompt,
            passage_prompt=settings.passage_prompt,
            max_length=settings.max_length,
        )
    model.config.name_or_path = ""  # the folder is gone
    return model


def _save_tokenizer(texts: list[str], settings: ScratchSettings, folder: Path) -> int:
    """Train and save the tokenizer; return its number of pieces."""
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    tokenizer = train_tokenizer(
        texts,
        settings.vocabulary,
        lower_case=settings.lower_case,
        special_tokens=SPECIAL_TOKENS,
    )
    tokenizer.post_processor = TemplateProcessing(
        single=f"{_START} $A {_END}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (_START, _END)],
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=settings.max_length,
        bos_token=_START,
        cls_token=_START,
        eos_token=_END,
        sep_token=_END,
        pad_token=_PAD,
        unk_token=_UNKNOWN,
        mask_token=_MASK,
    ).save_pretrained(folder)
    return int(tokenizer.get_vocab_size())


def _save_transformer(pieces: int, settings: ScratchSettings, seed: int, folder: Path) -> None:
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    start, padding, end = (SPECIAL_TOKENS.index(token) for token in (_START, _PAD, _END))
    config = XLMRobertaConfig(
        vocab_size=pieces,
        num_hidden_layers=settings.layers,
        hidden_size=settings.width,
        num_attention_heads=settings.heads,
        intermediate_size=settings.inner_width,
        hidden_dropout_prob=settings.dropout,
        attention_probs_dropout_prob=settings.dropout,
        max_position_embeddings=settings.max_length + padding + 1,
        type_vocab_size=1,
        bos_token_id=start,
        pad_token_id=padding,
        eos_token_id=end,
    )
    with without_transformers_bars(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        XLMRobertaModel(config).save_pretrained(folder)
