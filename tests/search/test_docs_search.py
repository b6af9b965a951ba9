"""What docs/search.md shows works as it is written."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

from evenrank.encoding.base import build_encoder
from evenrank.search.options import LARGEST, LONGEST, Options
from evenrank.search.searcher import Result

PAGE = (Path(__file__).parents[2] / "docs" / "search.md").read_text(encoding="utf-8")


def test_the_ten_lines_run(tmp_path, monkeypatch, capsys):
    texts = {"en": ["The currency of Paraguay.", "A river."], "de": ["Währung in Paraguay."]}
    rows = [
        {"id": f"{lang}{at}", "lang": lang, "text": text}
        for lang, some in texts.items()
        for at, text in enumerate(some)
    ]
    (tmp_path / "facts.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    words = [*texts["en"], *texts["de"], "What is ?"]
    build_encoder("static", words, {"width": 8}).save_pretrained(str(tmp_path / "model"))
    code = textwrap.dedent(re.search(r"## In ten lines\n\n((?:    .*\n|\n)+)", PAGE)[1])
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    code = code.replace("world-facts:test", "facts.jsonl")
    code = code.replace("intfloat/multilingual-e5-small", "model")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/search.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        [policy, str(place)] for policy in ("raw", "balanced") for place in (1, 2, 3)
    ]
    assert {line.split(maxsplit=3)[3] for line in lines[:3]} == {row["text"] for row in rows}


def test_every_option_and_every_field_of_a_result_is_explained():
    table = PAGE[PAGE.index("| option |") : PAGE.index("A result has")]
    assert set(re.findall(r"`(\w+)`", table)) >= set(Options.__annotations__)
    fields = PAGE[PAGE.index("A result has") : PAGE.index("Equal scores")]
    assert set(re.findall(r"`(\w+)`", fields)) == set(Result.__annotations__)
    assert f"{LARGEST:,}" in PAGE
    assert f"{LONGEST:,}" in PAGE
