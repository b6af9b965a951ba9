import os
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.encoding.tokenizer import sample_texts, train_tokenizer
from evenrank.errors import DataError

TEXTS = [
    "Der Rhein fließt durch Köln. Rhein-Ruhr!",
    "İSTANBUL Istanbul istanbul",
    "की का के कि कु की का के कि कु",
    "ภาษาไทย ภาษาไทย เรียนภาษาไทย",
    "東京 東京 在東京",
    "The year 2016, the years 2016年 and 2017.",
]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, 800)


@given(st.lists(st.text(max_size=30)), st.integers(1, 60), st.integers(0, 3), st.randoms())
def test_a_sample_depends_on_the_texts_alone(texts, characters, seed, randoms: random.Random):
    texts = [text for text in texts if text.isprintable()] + ["one at least"]
    shuffled = texts * 2
    randoms.shuffle(shuffled)
    sample = sample_texts(texts, characters, seed)
    assert sample_texts(shuffled, characters, seed) == sample
    assert len(set(sample)) == len(sample)
    assert len(sample) == 1 or sum(map(len, sample)) <= characters
    assert set(sample) <= set(texts)


def test_a_sample_takes_all_that_fits_and_another_seed_other_texts():
    texts = [f"text {number}" for number in range(200)]
    assert sorted(sample_texts(texts)) == sorted(texts)
    first, second = (sample_texts(texts, 500, seed) for seed in (0, 1))
    assert 480 <= sum(map(len, first)) <= 500
    assert set(first) != set(second)


def test_no_text_is_an_error():
    with pytest.raises(DataError, match="found no text"):
        sample_texts(["", ""])


def test_threads_and_hash_seeds_do_not_change_a_tokenizer(tokenizer):
    code = (
        "from evenrank.encoding.tokenizer import train_tokenizer\n"
        f"print(train_tokenizer({TEXTS!r}, 800).to_str())"
    )
    for threads, hash_seed in (("1", "1"), ("4", "2")):
        env = os.environ | {"RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": hash_seed}
        run = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        )
        assert run.stdout.strip() == tokenizer.to_str()


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_every_visible_character_becomes_pieces_and_none_is_unknown(tokenizer, text):
    def visible(text: str) -> str:
        return "".join(letter for letter in text if not letter.isspace() and letter != "▁")

    pieces = tokenizer.encode(text).tokens
    written = b"".join(
        bytes([int(piece[3:5], 16)]) if piece.startswith("<0x") else piece.encode()
        for piece in pieces
    ).decode()
    assert visible(written) == visible(tokenizer.normalizer.normalize_str(text))


def test_hindi_vowel_signs_are_kept(tokenizer):
    pieces = {tuple(tokenizer.encode(word).tokens) for word in ("की", "का", "के", "कि", "कु", "क")}
    assert len(pieces) == 6


def test_a_thai_or_chinese_word_is_the_same_piece_at_the_start_and_inside(tokenizer):
    assert tokenizer.encode("ภาษาไทย").tokens == ["ภาษาไทย"]
    assert tokenizer.encode("ในภาษาไทย").tokens[-1] == "ภาษาไทย"
    assert tokenizer.encode("東京").tokens == ["東京"]
    assert "東京" in tokenizer.encode("去東京的").tokens


def test_a_word_is_the_same_pieces_after_a_space_a_bracket_or_another_script(tokenizer):
    word = tokenizer.encode("rhein").tokens
    for context in ("(Rhein", "der Rhein", "東京Rhein", "d'Rhein"):
        assert tokenizer.encode(context).tokens[-len(word) :] == word


def test_case_turkish_dots_widths_and_invisible_characters(tokenizer):
    def same(one: str, other: str) -> bool:
        return tokenizer.encode(one).ids == tokenizer.encode(other).ids

    assert same("İSTANBUL", "istanbul")
    assert same("RHEIN", "rhein")
    assert same("２０１６", "2016")
    assert same("ﬂießt", "fließt")
    assert same("Rhe\u00adin", "Rhein")
    assert not same("ısı", "isi")


def test_case_can_be_kept():
    cased = train_tokenizer(TEXTS, 800, lower_case=False)
    assert cased.encode("Rhein").ids != cased.encode("rhein").ids


def test_digits_and_letters_are_apart(tokenizer):
    assert tokenizer.encode("2016年").tokens[0] == "2016"


def test_sizes_and_first_numbers(tokenizer):
    words = [f"{a}{b}{c}" for a in "abcd" for b in "efgh" for c in "ijkl"] * 2
    with_specials = train_tokenizer(words, 300, special_tokens=("<s>", "<pad>"))
    assert [with_specials.token_to_id(token) for token in ("<s>", "<pad>", "<0x00>")] == [0, 1, 2]
    assert with_specials.get_vocab_size() == 300
    assert with_specials.encode("<s>").ids == [0]
    assert tokenizer.get_vocab_size() < 800  # no pair of pieces is left that comes twice
