"""The corpus: its matrix of rows, its groups of passages, and parts of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.data.corpus import (
    SCHEMA,
    ParallelCorpus,
    codes,
    corpus_from_rows,
    corpus_from_table,
    index_rows,
)
from evenrank.errors import DataError

facts = st.lists(
    st.tuples(st.integers(0, 8), st.sampled_from(["de", "en", "fi"]), st.integers(0, 6)),
    min_size=1,
    max_size=40,
)


def table_of(triples: list[tuple[int, str, int]], batch: int = 3) -> pa.Table:
    """A table of several chunks, as a memory-mapped corpus has."""
    rows = [
        {"id": f"q{i}", "passage_id": f"p{p}", "lang": lang, "query": f"{i} {lang}", "passage": "x"}
        for i, lang, p in triples
    ]
    pieces = [rows[start : start + batch] for start in range(0, len(rows), batch)]
    return pa.concat_tables(pa.Table.from_pylist(piece, schema=SCHEMA) for piece in pieces)


def corpus_of(triples: list[tuple[int, str, int]]) -> ParallelCorpus:
    return corpus_from_table(table_of(triples), "test", "0")


@given(facts)
def test_the_matrix_points_at_the_first_row_of_each_item_and_language(triples):
    index = index_rows(table_of(triples))
    first: dict[tuple[int, str], int] = {}
    repeated = []
    for number, (item, lang, _) in enumerate(triples):
        if first.setdefault((item, lang), number) != number:
            repeated.append([number, first[item, lang]])
    items = list(dict.fromkeys(item for item, _, _ in triples))
    assert index.languages == tuple(sorted({lang for _, lang, _ in triples}))
    assert index.rows.tolist() == [
        [first.get((item, lang), -1) for lang in index.languages] for item in items
    ]
    assert index.repeated.tolist() == repeated


@given(facts)
def test_groups_are_the_transitive_closure_of_shared_passages(triples):
    unique = list({(item, lang): (item, lang, p) for item, lang, p in triples}.values())
    corpus = corpus_of(unique)
    items = list(dict.fromkeys(item for item, _, _ in unique))
    passages = {item: {p for other, _, p in unique if other == item} for item in items}
    for start in items:  # walk from each item over shared passages until nothing new is met
        reached, waiting = set(), {start}
        while waiting:
            item = waiting.pop()
            reached.add(item)
            waiting |= {o for o in items if passages[o] & passages[item]} - reached
        group_of = dict(zip(items, corpus.groups.tolist(), strict=True))
        assert {item for item in items if group_of[item] == group_of[start]} == reached


def test_a_repeated_id_names_both_rows():
    with pytest.raises(DataError, match=r"row 2: found id 'q1' again in 'de', after row 0 "):
        corpus_of([(1, "de", 0), (1, "en", 0), (1, "de", 0)])


def test_an_empty_table_is_refused():
    with pytest.raises(DataError, match="no rows"):
        corpus_from_table(SCHEMA.empty_table(), "test", "0")


def test_columns_are_read_across_chunks_in_the_requested_order():
    triples = [(item, "de", item) for item in range(10)]
    corpus = corpus_of(triples)
    wanted = np.array([9, 0, 3, 3, 8])
    assert corpus.column("id", wanted) == ["q9", "q0", "q3", "q3", "q8"]
    assert corpus.column("negatives", wanted[:2]) == [None, None]
    assert corpus.column("id", np.array([], dtype=np.int32)) == []


def test_a_missing_row_cannot_be_read():
    with pytest.raises(IndexError):
        corpus_of([(item, "de", 0) for item in range(7)]).column("id", np.array([-1]))


def test_reading_a_few_rows_of_a_mapped_corpus_does_not_copy_the_column(tmp_path):
    rows = [{"id": str(n), "lang": "de", "passage": "x" * 1000} for n in range(4000)]
    schema = pa.schema([SCHEMA.field(name) for name in ("id", "lang", "passage")])
    table = pa.Table.from_pylist(rows, schema=schema)
    with pa.ipc.new_file(tmp_path / "t.arrow", schema) as writer:
        writer.write_table(table, max_chunksize=100)
    mapped = pa.ipc.open_file(pa.memory_map(str(tmp_path / "t.arrow"))).read_all()
    empty = np.zeros((0, 1), dtype=np.int32)
    corpus = ParallelCorpus("test", mapped, ("de",), empty, np.zeros(0, np.int32), "0")
    pool = pa.proxy_memory_pool(pa.default_memory_pool())
    usual = pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        assert len(corpus.column("passage", np.arange(0, 4000, 400))) == 10
    finally:
        pa.set_memory_pool(usual)
    assert pool.max_memory() < 100_000


def test_select_takes_numbers_or_a_mask_and_drops_empty_languages():
    corpus = corpus_of([(0, "de", 0), (0, "en", 0), (1, "en", 1), (2, "fi", 2)])
    by_number = corpus.select(np.array([1, 2]), "part")
    by_mask = corpus.select(np.array([False, True, True]))
    assert by_number.languages == by_mask.languages == ("en", "fi")
    assert by_number.rows.tolist() == by_mask.rows.tolist() == [[2, -1], [-1, 3]]
    assert by_number.fingerprint == by_mask.fingerprint != corpus.fingerprint
    assert (by_number.name, by_mask.name) == ("part", "test")


def test_restrict_leaves_out_items_without_the_languages():
    corpus = corpus_of([(0, "de", 0), (0, "en", 0), (1, "en", 1)]).restrict(["de"])
    assert (corpus.languages, corpus.rows.tolist(), len(corpus)) == (("de",), [[0]], 1)
    with pytest.raises(DataError, match="no language 'sv', expected one of de"):
        corpus.restrict(["sv"])


def test_first_rows_are_those_of_the_first_language_an_item_has():
    corpus = corpus_of([(0, "en", 0), (0, "de", 0), (1, "fi", 1)])
    assert corpus.first_rows.tolist() == [1, 2]


def test_the_fingerprint_of_rows_follows_their_content(rows):
    changed = [*rows[:-1], rows[-1] | {"query": "other?"}]
    assert corpus_from_rows(rows, "a").fingerprint == corpus_from_rows(rows, "b").fingerprint
    assert corpus_from_rows(rows, "a").fingerprint != corpus_from_rows(changed, "a").fingerprint


@given(st.lists(st.one_of(st.none(), st.text(max_size=2)), max_size=30), st.integers(1, 5))
def test_codes_number_values_by_first_appearance(values, size):
    chunks = [values[start : start + size] for start in range(0, len(values), size)]
    seen: dict[str | None, int] = {None: -1}
    for value in values:
        seen.setdefault(value, len(seen) - 1)
    column = pa.chunked_array(chunks, pa.string())
    assert codes(column).tolist() == [seen[value] for value in values]


def test_codes_of_more_values_than_get_numbers_together():
    count = (1 << 21) + 1000
    values = np.arange(count) // 7  # the last ones have old and new values
    values[5], values[-7:] = 900_000, (900_001, 900_000, 900_001, 0, 3, 900_002, 0)
    array = pa.array(values, mask=values % 7 == 6)
    column = pa.chunked_array([array[:1_500_000], array[1_500_000:]])
    released = []
    found = codes(column, lambda: released.append(None))
    valid = values % 7 != 6
    _, first, code = np.unique(values[valid], return_index=True, return_inverse=True)
    expected = np.full(count, -1)
    expected[valid] = np.argsort(np.argsort(first))[code]
    np.testing.assert_array_equal(found, expected)
    assert len(released) > 1
