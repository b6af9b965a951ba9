"""The count of encoded tokens in the training log."""

from __future__ import annotations

import json

from sentence_transformers import SentenceTransformer

from evenrank.training.run import train


def counts(run):
    lines = (json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines())
    return {entry["step"]: entry["tokens"] for entry in lines if "loss" in entry}


def test_tokens_are_those_of_the_batches_and_not_of_evaluations(config, tmp_path):
    same = {"languages": ["en"], "strategy": "x-x-mono", "patience": None, "select_by": "multi AP"}
    often = train(config(**same, eval_every=4))
    once = train(config(**same, eval_every=12, output=tmp_path / "once"))
    found = counts(often)
    assert found[12] == counts(once)[12]
    model = SentenceTransformer(str(often.model))
    pairs = [
        sum(
            len(model.tokenizer.encode(model.prompts[kind] + text).ids)
            for kind, text in (
                ("query", f"en question number {item} about thing{item // 2}?"),
                ("document", f"en passage tells of thing{item // 2}."),
            )
        )
        for item in range(40)
    ]
    assert 12 * 8 * min(pairs) <= found[12] <= 12 * 8 * max(pairs)
    assert max(pairs) < 1.3 * min(pairs)  # so the bounds say something
    assert found[4] < found[8] < found[12]
