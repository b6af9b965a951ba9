"""docs/benchmarks.md says what the code says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evenrank.benchmarks.benchmark import BENCHMARKS, load_benchmark
from evenrank.benchmarks.mlqa_r import ARCHIVE

PAGE = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text(encoding="utf-8")


def section(name):
    """The text of a benchmark's section, its lines joined."""
    heading = f"\n## `{name}:PATH`\n" if name == "corpus" else f"\n## `{name}`\n"
    _, found, rest = PAGE.partition(heading)
    assert found, f"docs/benchmarks.md has no section {heading.strip()!r}"
    return " ".join(rest.partition("\n## ")[0].split())


def test_every_benchmark_has_a_section():
    for name in BENCHMARKS:
        assert section(name)


@pytest.mark.parametrize("name", ["corpus", "mlqa-r", "xquad-r"])
def test_a_section_names_source_licence_and_citation(name):
    card = BENCHMARKS.get(name).card
    for fact in (card.source, card.licence, card.citation):
        assert fact in section(name)


def test_the_archive_of_mlqa_is_named_with_its_checksum():
    assert ARCHIVE.url in section("mlqa-r")
    assert ARCHIVE.sha256 in section("mlqa-r")


@pytest.mark.parametrize("name", ["mlqa-r", "xquad-r"])
def test_counts(name, real_data):
    benchmark = load_benchmark(name)
    for label, langs in (
        ("queries", benchmark.queries.langs),
        ("passages, ours", benchmark.passages.langs),
    ):
        counts = [*np.bincount(langs).tolist(), len(langs)]
        assert f"| {label} | " + " | ".join(f"{count:,}" for count in counts) in section(name)
    overview = f"| {len(benchmark.queries):,} | {len(benchmark.passages):,} |"
    assert overview in PAGE.partition("## Where")[0]
