"""Retrievers in the real frameworks."""

from __future__ import annotations

import asyncio

import pytest

QUERIES = ["pool 17", "NATO 3", "สระว่ายน้ำ 5"]


@pytest.fixture(scope="module")
def searcher(open_index):
    return open_index()


def expected(searcher, query, **options):
    (results,) = searcher.search(query, **options)
    return [(result.id, result.text, result.language) for result in results]


def test_langchain_gets_what_the_searcher_finds(searcher):
    from langchain_core.runnables import RunnableLambda

    from evenrank.serving.langchain import EvenrankRetriever

    options = {"k": 4, "languages": ["de", "ar", "th"], "explain": True}
    retriever = EvenrankRetriever(searcher=searcher, options=options)

    def read(documents):
        return [
            (document.id, document.page_content, document.metadata["evenrank_language"])
            for document in documents
        ]

    async def at_once():
        return await asyncio.gather(*map(retriever.ainvoke, QUERIES))

    found = [read(retriever.invoke(query)) for query in QUERIES]
    assert found == [expected(searcher, query, **options) for query in QUERIES]
    assert list(map(read, asyncio.run(at_once()))) == found
    chain = retriever | RunnableLambda(len)
    assert chain.batch(QUERIES) == [4, 4, 4]
    metadata = retriever.invoke(QUERIES[0])[0].metadata
    assert metadata["kind"] == "pool"
    assert metadata["evenrank_place"] == 1
    assert metadata["evenrank_reason"]


def test_llama_index_gets_what_the_searcher_finds(searcher):
    from evenrank.serving.llama_index import EvenrankRetriever

    retriever = EvenrankRetriever(searcher, k=4, exclude=["en"])

    def read(nodes):
        return [(one.node.id_, one.text, one.metadata["evenrank_language"]) for one in nodes]

    async def at_once():
        return await asyncio.gather(*map(retriever.aretrieve, QUERIES))

    found = [retriever.retrieve(query) for query in QUERIES]
    assert list(map(read, found)) == [expected(searcher, q, k=4, exclude=["en"]) for q in QUERIES]
    assert list(map(read, asyncio.run(at_once()))) == list(map(read, found))
    scores = [one.score for one in found[0]]
    assert scores == sorted(scores, reverse=True)
