"""Remembered tokens are those of the module itself."""

from __future__ import annotations

import pytest
import torch

from evenrank.encoding.base import build_encoder
from evenrank.training.bags import RememberedBags

TEXTS = [f"text {number} of " + "words " * (number % 4) for number in range(12)]


@pytest.mark.parametrize("characters", [0, 60, 10_000])
@pytest.mark.parametrize("length", [None, 3])
def test_tokens_are_those_of_the_module(characters, length):
    """Texts come again, within a batch too; some are empty, and some have no known piece."""
    module = build_encoder("static", TEXTS, {"width": 8, "vocabulary": 600}, seed=0)[0]
    if length:
        module.tokenizer.enable_truncation(length)
    bags = RememberedBags(module, characters)
    for texts in (TEXTS[:8], ["", *TEXTS[4:], "", TEXTS[5]], TEXTS[::-1], [""]):
        for prompt in (None, "", "query: "):
            expected = module.preprocess(texts, prompt=prompt)
            found = bags(texts, prompt=prompt, task="query")
            assert found.keys() == expected.keys()
            for key, value in expected.items():
                assert found[key].dtype == value.dtype
                assert torch.equal(found[key], value)


def test_a_text_that_comes_again_is_not_tokenised_again():
    module = build_encoder("static", TEXTS, {"width": 8, "vocabulary": 600}, seed=0)[0]
    bags = RememberedBags(module)
    before = bags(TEXTS)["input_ids"]
    module.tokenizer.enable_truncation(1)  # shows what is tokenised from now on
    assert torch.equal(bags(TEXTS)["input_ids"], before)
    assert len(bags(["words text words"])["input_ids"]) == 1
    small = RememberedBags(module, characters=20)
    small(TEXTS)
    module.tokenizer.no_truncation()
    assert torch.equal(small(TEXTS)["input_ids"], before)
