"""What is particular to PostgreSQL: tables of others, graphs, rights, and servers that go away."""

from __future__ import annotations

import secrets
import threading
import time

import numpy as np
import pytest

from evenrank.encoding.opening import as_model
from evenrank.errors import ConfigError, DataError, EngineError, UnknownNameError
from evenrank.search.base import Passage
from evenrank.search.engines.opening import open_engine, write_engine
from evenrank.search.opening import open_searcher

from .conftest import unit
from .postgres_server import PostgresServer

PASSWORD = "very-secret-0123456789"
FIELDS = {"id_field": "no", "language_field": "lang", "text_field": "body"}


@pytest.fixture(scope="module")
def theirs(postgres):
    """A table as many people have one: numbers as ids, further columns next to the text."""
    postgres.execute(
        "create table theirs (no int primary key, lang varchar(5), body text, year smallint, "
        "price numeric, draft boolean, day date, v vector(4), unused vector(2))"
    )
    for number in range(12):
        vector = None if number == 11 else str(np.eye(4)[number % 4].tolist())
        lang = "de" if number < 8 else "en"
        postgres.execute(
            "insert into theirs values (%s, %s, %s, %s, %s, %s, '2026-01-02', %s, '[1,1]')",
            *(number, lang, f"Text {number}", 2000 + number % 3, number / 4, number % 2 == 0),
            vector,
        )
    return postgres.url("theirs")


def test_a_table_of_somebody_else_is_searched_as_it_is(theirs):
    with open_engine(theirs, **FIELDS, vector_field="v") as engine:
        assert engine.counts == {"de": 8, "en": 3}  # a passage without a vector is not found
        query = np.array([[[2, 1, 0, 0]]], dtype=np.float32)
        [lists] = engine.search(query, ["de", "en"], 3)
        assert lists["de"].ids == ("0", "4", "1")
        assert lists["de"].scores == pytest.approx([2, 2, 1])
        assert lists["en"].ids == ("8", "9", "10")
        [passage] = engine.fetch(["9"])
        assert passage == Passage(
            "9",
            "en",
            "Text 9",
            "",
            {"year": 2000, "price": 2.25, "draft": False, "day": "2026-01-02"},
        )
        with pytest.raises(DataError, match="no passage 'nine'"):
            engine.fetch(["9", "nine"])


def test_names_of_columns_may_be_part_of_the_address(theirs):
    names = "&vector_field=v&language_field=lang&id_field=no&text_field=body&exact=true"
    with open_engine(theirs + names) as engine:
        assert engine.counts == {"de": 8, "en": 3}
        assert "field" not in engine.name
    with pytest.raises(UnknownNameError, match="unknown field 'body'"):
        open_engine(theirs + names + "&metadata_field=x", metadata_field="body")


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({"year": 2001}, ("1", "4", "7")),
        ({"year": [2001.0, 2002.5, 10**30, float("nan")]}, ("1", "4", "7")),
        ({"year": True}, ()),
        ({"price": [0.25, 1]}, ("1", "4")),
        ({"draft": [False], "body": ["Text 1", "Text 2", 3]}, ("1",)),
        ({"draft": 0}, ()),
        ({"no": [1, 2, -(2**31), 2**31]}, ("1", "2")),
        ({"day": "2026-01-02", "no": 3}, ("3",)),
    ],
)
def test_filters_compare_with_columns_of_their_type(theirs, filters, ids):
    with open_engine(theirs, **FIELDS, vector_field="v") as engine:
        [lists] = engine.search(np.ones((1, 1, 4), dtype=np.float32), ["de"], 9, filters)
        assert sorted(lists["de"].ids) == sorted(ids)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"language_field": "language"}, UnknownNameError, "unknown field 'language'.*'lang'"),
        ({"language_field": "lang' or '1"}, UnknownNameError, "unknown field"),
        ({"text_field": "body.de"}, UnknownNameError, "unknown field 'body.de'"),
        ({"vector_field": ""}, DataError, "2 columns with vectors, expected one of v, unused"),
        ({"vector_field": "body"}, DataError, "no vectors in column 'body'"),
        ({"metadata_field": "body"}, UnknownNameError, "unknown field 'body'"),
    ],
)
def test_a_wrong_name_of_a_column_is_refused(theirs, change, error, message):
    with pytest.raises(error, match=message):
        open_engine(theirs, **FIELDS | {"vector_field": "v"} | change)


def test_a_filter_on_an_unknown_column_names_those_that_are_there(theirs):
    with open_engine(theirs, **FIELDS, vector_field="v") as engine:
        query = np.ones((1, 1, 4), dtype=np.float32)
        with pytest.raises(UnknownNameError, match=r"unknown field 'yaer'.*nearest is 'year'"):
            engine.search(query, ["de"], 1, {"yaer": 1})
        with pytest.raises(DataError, match="invalid input syntax for type date"):
            engine.search(query, ["de"], 1, {"day": "soon"})


def test_it_is_never_written(theirs, postgres):
    before = postgres.execute("select * from theirs order by no")
    with pytest.raises(ConfigError, match="evenrank did not write"):
        write_engine(theirs, [Passage("1", "de", "x")], np.ones((1, 4), dtype=np.float32))
    assert postgres.execute("select * from theirs order by no") == before


def test_views_and_vectors_without_length_or_direction_are_read(postgres):
    postgres.execute("create table loose (id text, language text, text text, v vector)")
    postgres.execute(
        "insert into loose values ('a', 'de', 'x', '[0,0]'), ('b', 'de', 'x', '[-1,0]')"
    )
    postgres.execute("create view seen as select * from loose")
    with open_engine(postgres.url("seen")) as engine:
        assert engine.width == 2
        [lists] = engine.search(np.array([[[3, 0]]], dtype=np.float32), ["de"], 5)
        assert set(lists["de"].ids) == {"a", "b"}
        assert lists["de"].scores.tolist() == [-3, -3]  # no direction is the worst score


@pytest.fixture(scope="module")
def many(postgres):
    """A language with a graph of its own, and a small one without."""
    generator = np.random.default_rng(5)
    passages = [
        Passage(f"{n:04}", "de" if n < 800 else "sw", "x", "", {"year": n % 50}) for n in range(820)
    ]
    vectors = unit(generator.normal(size=(820, 16)))
    url = postgres.url(f"many{secrets.token_hex(4)}")
    write_engine(url, passages, vectors, hnsw_minimum=100, ef_construction=32)
    return url, passages, vectors


def best(data, query, language, k):
    _, passages, vectors = data
    places = [at for at, passage in enumerate(passages) if passage.language == language]
    order = np.argsort(-(vectors[places] @ query), kind="stable")[:k]
    return [passages[places[at]].id for at in order]


def test_graphs_find_nearly_all_and_an_exact_search_all(many, postgres):
    queries = unit(np.random.default_rng(6).normal(size=(30, 1, 16)))
    only_graphs = "&options=-c%20enable_sort%3Doff%20-c%20enable_seqscan%3Doff"
    only_graphs += "&application_name=graphs"
    found = {}
    for exact in (False, True):
        with open_engine(many[0] + only_graphs, exact=exact) as engine:
            assert engine.exact is exact
            lists = engine.search(queries, ["de", "sw"], 10)
        for language in ("de", "sw"):
            found[exact, language] = np.mean(
                [
                    len(set(hits[language].ids) & set(best(many, query[0], language, 10))) / 10
                    for hits, query in zip(lists, queries, strict=True)
                ]
            )
    assert found[True, "de"] == found[True, "sw"] == found[False, "sw"] == 1
    assert found[False, "de"] > 0.9
    postgres.wait_for_end_of("graphs")
    table = many[0].partition("table=")[2]
    [(name, used)] = postgres.execute(
        "select indexrelname, idx_scan from pg_stat_user_indexes "
        "where relname = %s and indexrelname like %s",
        *(table, "%hnsw%"),
    )
    assert used >= 30, name


def test_a_search_in_a_graph_goes_on_until_enough_pass_the_filter(many):
    with open_engine(many[0] + "&options=-c%20enable_sort%3Doff") as engine:
        query = unit(np.ones((1, 1, 16)))
        [lists] = engine.search(query, ["de"], 10, {"year": 7})
        assert len(lists["de"]) == 10
        with pytest.raises(UnknownNameError, match="unknown language"):
            engine.search(query, ["fr"], 10)


def test_numbers_of_16_bits_are_near_those_of_32(postgres, many):
    _, passages, vectors = many
    url = postgres.url("half")
    write_engine(url, passages, vectors, half=True, hnsw=False)
    with open_engine(url) as engine:
        assert engine.exact
        [lists] = engine.search(vectors[None, :1], ["de"], 10)
        wanted = np.sort(vectors[:800] @ vectors[0])[::-1][:10]
        assert lists["de"].scores == pytest.approx(wanted, abs=1e-3)
    with pytest.raises(ConfigError, match="halfvec"):
        write_engine(url, passages, vectors)


def test_a_width_that_no_graph_takes_is_refused(postgres):
    with pytest.raises(DataError, match="width 2001, expected 2000 at most"):
        write_engine(postgres.url("wide"), [Passage("a", "de", "x")], np.ones((1, 2001)))


class Encoder:
    """Encodes every text the same way."""

    def encode_query(self, texts):
        return [np.arange(1, 5) + len(text) for text in texts]

    encode_document = encode_query


def test_the_model_of_queries_must_be_that_of_the_passages(postgres):
    passages = [Passage("a", "de", "x"), Passage("b", "en", "yy")]
    vectors = unit(Encoder().encode_query(["x", "yy"]))
    model = as_model(Encoder())
    url = postgres.url("of_a_model")
    write_engine(url, passages, vectors, about={"fingerprint": model.fingerprint})
    with open_searcher(url, model) as searcher:
        [found] = searcher.search("yy", k=1, policy="raw")
        assert [one.id for one in found] == ["b"]
    write_engine(url, passages, vectors, about={"fingerprint": "0123"})
    with pytest.raises(DataError, match="expected 0123 of postgresql"):
        open_searcher(url, model)


def test_two_runs_do_not_write_one_table(postgres):
    url = postgres.url("busy")

    def passages():
        yield Passage("a", "de", "x")
        with pytest.raises(ConfigError, match="another run writes"):
            write_engine(url, [], np.ones((0, 4)))

    written = write_engine(url, passages(), np.ones((1, 4)))
    assert written.sent == 1


@pytest.fixture
def limited(postgres):
    """A user who needs a password."""
    postgres.execute(f"create role limited login password '{PASSWORD}'")
    yield "limited"
    postgres.execute("drop role limited")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (("user", "limited:wrong-secret"), EngineError, "the password is refused.*PGPASSWORD"),
        (("user", "limited"), EngineError, "no password.*PGPASSWORD"),
        (("user", "nobody_there"), EngineError, 'role "nobody_there" does not exist'),
        (("database", "absent"), EngineError, 'database "absent" does not exist'),
        (("table", "absent"), DataError, "no such table"),
        (("table", "theirs&schema=absent"), DataError, "no such table"),
        (("user", f"limited:{PASSWORD}"), EngineError, "permission denied"),
        (("table", f"theirs&secret={PASSWORD}"), EngineError, "refuses a parameter"),
        (("table", f"theirs&passw=x&sslmode={PASSWORD}"), EngineError, "a parameter"),
        (("table", f"theirs&port={PASSWORD}"), EngineError, "a parameter"),
    ],
)
def test_what_is_refused_is_one_line_without_the_password(
    theirs, postgres, limited, change, error, message
):
    url = postgres.url(**{"table": "theirs", **dict([change])})
    with pytest.raises(error, match=message) as caught:
        open_engine(url, **FIELDS, vector_field="v")
    shown = str(caught.value)
    assert "secret" not in shown.replace('"secret"', "")
    assert "\n" not in shown


def test_a_server_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(EngineError, match="no server at this socket"):
        open_engine(f"postgresql:///postgres?host={tmp_path}&table=t")
    with pytest.raises(EngineError, match="no server at this socket"):
        write_engine(f"postgresql:///p?host={tmp_path}&table=t", [], np.ones((0, 4)))


@pytest.mark.enable_socket
def test_a_refused_connection_is_one_line():
    with pytest.raises(EngineError, match="connection refused"):
        open_engine("postgresql://127.0.0.1:1/postgres?table=t")


def test_a_database_without_pgvector_is_one_line(postgres):
    postgres.execute("create database plain")
    with pytest.raises(EngineError, match=r"without pgvector.*create extension vector"):
        open_engine(postgres.url("t", database="plain"))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://a:hunter2@h/d", "no table"),
        ("postgresql://a:hunter2@h:port/d?table=t", "no known form"),
        ("postgres://a:hunter2@[h/d?table=t", "no known form"),
    ],
)
def test_an_address_that_is_not_one_is_refused_without_its_secrets(url, message):
    with pytest.raises(ConfigError, match=message) as caught:
        open_engine(url)
    assert "hunter2" not in str(caught.value)


def test_no_name_has_the_password(postgres, limited):
    postgres.execute("grant select on all tables in schema public to limited")
    with open_engine(
        postgres.url("theirs", user=f"limited:{PASSWORD}"), **FIELDS, vector_field="v"
    ) as engine:
        assert PASSWORD not in engine.name
        assert engine.name.startswith("postgresql://limited@")
    postgres.execute("revoke all on all tables in schema public from limited")


def test_a_connection_that_broke_between_two_requests_is_opened_again(theirs, postgres):
    with open_engine(theirs, **FIELDS, vector_field="v") as engine:
        query = np.ones((1, 1, 4), dtype=np.float32)
        before = engine.search(query, ["de"], 3)[0]["de"].ids
        ended = postgres.execute(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity "
            "where application_name = 'evenrank'"
        )
        assert ended
        assert engine.search(query, ["de"], 3)[0]["de"].ids == before


def test_a_request_that_takes_too_long_is_one_line(postgres):
    postgres.execute(
        "create view slow as select 'a' as id, 'de' as language, 'x' as text, "
        "'[1]'::vector(1) as v from generate_series(1, 2) g where pg_sleep(9) is not null"
    )
    with pytest.raises(EngineError, match="no answer in time"):
        open_engine(postgres.url("slow"), timeout=0.05)


@pytest.mark.slow
def test_a_server_that_is_killed_in_mid_request_is_one_line_and_is_found_again():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("XDG_RUNTIME_DIR", raising=False)
        server = PostgresServer()
    try:
        server.execute("create extension vector")
        generator = np.random.default_rng(7)
        passages = [Passage(f"{n:05}", "de", "x") for n in range(30_000)]
        vectors = generator.normal(size=(30_000, 64)).astype(np.float32)
        url = server.url("t")
        write_engine(url, passages, vectors, hnsw=False)
        queries = generator.normal(size=(500, 1, 64)).astype(np.float32)
        with open_engine(url) as engine:
            before = engine.search(queries[:1], ["de"], 5)[0]["de"].ids
            timer = threading.Timer(0.3, server.kill)
            timer.start()
            with pytest.raises(EngineError, match=r"connection refused|broke during"):
                engine.search(queries, ["de"], 5)
            timer.join()
            with pytest.raises(EngineError):
                engine.search(queries[:1], ["de"], 5)
            time.sleep(1)  # until the other processes of the killed server have ended
            server.start()
            assert engine.search(queries[:1], ["de"], 5)[0]["de"].ids == before
    finally:
        server.remove()
