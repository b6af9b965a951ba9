"""A tokenizer trained on the corpus, for encoders created from scratch.

Byte-pair encoding with four properties that a small vocabulary for many languages needs:

- **No text is unknown.** A character outside the alphabet becomes its UTF-8 bytes.
- **No language needs spaces.** Runs of letters in scripts that do not write spaces (Han, kana,
  Thai, Lao, Khmer, Myanmar) are units. The first piece of a word has a mark only in scripts that
  write spaces, so that a Thai word is the same piece at any place in its sentence.
- **No vowel sign is lost.** Text is normalised to Unicode NFKC, and combining marks stay with their
  letters: Hindi and Thai vowels are such marks, and tokenizers that strip accents delete them.
- **The same texts give the same bytes**, in any order and with any number of threads. The unigram
  trainer of the ``tokenizers`` library does not: it adds floating-point numbers in parallel.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

import orjson

from evenrank.errors import DataError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.normalizers import Normalizer
    from tokenizers.pre_tokenizers import PreTokenizer

SAMPLE_CHARACTERS = 16_000_000
"""Maximum amount of text that a tokenizer is trained on: about ten seconds of training."""

BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
MARK = "▁"  # the first piece of a word starts with it, as in SentencePiece
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_SPACED = rf"[[\p{{L}}\p{{M}}]&&[^{_UNSPACED}]]"
_WORD_START = rf"(?<!{_SPACED})(?={_SPACED})"
_UNIT = rf"{MARK}?{_SPACED}+|[{_UNSPACED}\p{{M}}]+|\p{{N}}+|[^\s\p{{L}}\p{{M}}\p{{N}}{MARK}]"
_LONGEST_PIECE = 20
_MINIMUM_REPEATS = 2


def sample_texts(
    texts: Iterable[str], characters: int = SAMPLE_CHARACTERS, seed: int = 0
) -> list[str]:
    """Return distinct texts of at most ``characters`` in total, and at least one text.

    A keyed hash puts the texts in a random order, and the sample is the first ones that fit. So it
    does not depend on the order or the repetition of the texts, which are read once.

    Args:
        texts: Any number of texts.
        characters: Maximum number of characters to return.
        seed: Key of the hash.

    Raises:
        DataError: There is no text.

    >>> sorted(sample_texts(["one", "two", "one", ""]))
    ['one', 'two']
    """
    heap: list[tuple[int, str]] = []  # largest hash on top
    hashes: set[int] = set()
    total, limit = 0, 1 << 64
    key = seed.to_bytes(8, "little")
    for text in texts:
        number = int.from_bytes(blake2b(text.encode(), digest_size=8, key=key).digest())
        if not text or number >= limit or number in hashes:
            continue
        heapq.heappush(heap, (-number, text))
        hashes.add(number)
        total += len(text)
        while total > characters and len(heap) > 1:
            negative, dropped = heapq.heappop(heap)
            limit = -negative
            hashes.remove(limit)
            total -= len(dropped)
    if not heap:
        raise DataError("training texts", "no text", "at least one", "Check the corpus")
    return [text for _, text in sorted(heap, reverse=True)]


def train_tokenizer(
    texts: Sequence[str],
    vocabulary: int,
    *,
    lower_case: bool = True,
    special_tokens: Sequence[str] = (),
) -> Tokenizer:
    """Train a byte-pair tokenizer for which no text is unknown.

    Lower case follows Unicode, without knowledge of the language, with one exception: the Turkish
    ``İ`` becomes ``i``, as in Turkish, and not an ``i`` with a separate dot. A Turkish ``I``
    becomes ``i`` too, as in every other language. Invisible format characters (soft hyphens,
    zero-width joiners, direction marks) are removed.

    Args:
        texts: What to train on, in an order that is always the same.
        vocabulary: Maximum number of pieces, with the 256 bytes and the special tokens. A small
            corpus gives fewer: only a pair that occurs twice is merged.
        lower_case: Whether words that differ in case are the same word.
        special_tokens: Tokens that get the first numbers.

    Returns:
        A tokenizer without padding, truncation or special tokens around the text.

    >>> tokenizer = train_tokenizer(["नमस्ते दुनिया", "नमस्ते"], 600)
    >>> tokenizer.encode("नमस्ते").tokens
    ['▁नमस्ते']
    >>> tokenizer.encode("é").tokens
    ['▁', '<0xC3>', '<0xA9>']
    """
    from tokenizers import Tokenizer, models, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = _normalizer(lower_case)
    tokenizer.pre_tokenizer = _pre_tokenizer()
    size = max(vocabulary - len(BYTES) - len(special_tokens), 1)
    alphabet = _alphabet(tokenizer, texts, maximum=max(size // 4, 1))
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=_MINIMUM_REPEATS,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        max_token_length=_LONGEST_PIECE,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    model = orjson.loads(tokenizer.to_str())["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].__getitem__)
    numbers = {piece: number for number, piece in enumerate([*special_tokens, *BYTES, *pieces])}
    merges = [tuple(merge) for merge in model["merges"]]
    tokenizer.model = models.BPE(vocab=numbers, merges=merges, byte_fallback=True)
    tokenizer.add_special_tokens(list(special_tokens))
    return tokenizer


def _normalizer(lower_case: bool) -> Normalizer:
    from tokenizers import Regex, normalizers

    steps = [normalizers.NFKC(), normalizers.Replace(Regex(r"\p{Cf}"), "")]
    if lower_case:
        steps += [normalizers.Replace("İ", "i"), normalizers.Lowercase()]
    return normalizers.Sequence([*steps, normalizers.Replace(Regex(_WORD_START), MARK)])


def _pre_tokenizer() -> PreTokenizer:
    """Keep the units and drop the white space between them."""
    from tokenizers import Regex, pre_tokenizers

    return pre_tokenizers.Split(Regex(_UNIT), behavior="removed", invert=True)


def _alphabet(tokenizer: Tokenizer, texts: Sequence[str], maximum: int) -> list[str]:
    """Return the most frequent characters; equally frequent ones by code point.

    The trainer would choose its own, but equally frequent characters in any order.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(tokenizer.normalizer.normalize_str(text))
    letters = [letter for letter in counts if not letter.isspace()]
    return sorted(letters, key=lambda letter: (-counts[letter], letter))[:maximum]
