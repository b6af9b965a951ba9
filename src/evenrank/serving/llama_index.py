"""A retriever for LlamaIndex over an index of evenrank (extra ``evenrank[llama-index]``).

A query engine that has a retriever gets balanced passages::

    from evenrank import open_searcher
    from evenrank.serving.llama_index import EvenrankRetriever

    retriever = EvenrankRetriever(open_searcher("my-index"), k=5)
    retriever.retrieve("Wann öffnet das Bad?")  # or: await retriever.aretrieve(...)
"""

from __future__ import annotations

import asyncio
from typing import Unpack

from evenrank.errors import MissingExtraError
from evenrank.search.options import Options
from evenrank.search.searcher import Searcher
from evenrank.serving.facts import facts_of

try:
    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
except ImportError:
    found, remedy = (
        "the package llama-index-core is not installed",
        ("pip install 'evenrank[llama-index]'"),
    )
    raise MissingExtraError("LlamaIndex", found, "", remedy) from None


class EvenrankRetriever(BaseRetriever):  # type: ignore[misc]  # its package is optional
    """Passages of an index as nodes, best first.

    Args:
        searcher: The open index.
        options: Options of each search, such as ``k``, ``balance`` and ``languages``.
    """

    def __init__(self, searcher: Searcher, **options: Unpack[Options]) -> None:
        super().__init__()
        self._searcher, self._options = searcher, options

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        (results,) = self._searcher.search(query_bundle.query_str, **self._options)
        return [
            NodeWithScore(
                node=TextNode(id_=result.id, text=result.text, metadata=facts_of(result)),
                score=result.score,
            )
            for result in results
        ]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)  # other tasks go on
