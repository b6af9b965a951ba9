"""A retriever for LangChain over an index of evenrank (extra ``evenrank[langchain]``).

A chain that has a retriever gets balanced passages::

    from evenrank import open_searcher
    from evenrank.serving.langchain import EvenrankRetriever

    retriever = EvenrankRetriever(searcher=open_searcher("my-index"), options={"k": 5})
    retriever.invoke("Wann öffnet das Bad?")  # or: await retriever.ainvoke(...)
"""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from evenrank.errors import MissingExtraError
from evenrank.search.searcher import Searcher
from evenrank.serving.facts import facts_of

try:
    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
except ImportError:
    found, remedy = (
        "the package langchain-core is not installed",
        "pip install 'evenrank[langchain]'",
    )
    raise MissingExtraError("LangChain", found, "", remedy) from None


class EvenrankRetriever(BaseRetriever):  # type: ignore[misc]  # its package is optional
    """Passages of an index as documents, best first.

    LangChain runs the search in a thread where it is awaited.

    Attributes:
        searcher: The open index.
        options: Options of each search, such as ``k``, ``balance`` and ``languages``.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    searcher: Searcher
    options: dict[str, Any] = Field(default_factory=dict)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        (results,) = self.searcher.search(query, **self.options)
        return [
            Document(id=result.id, page_content=result.text, metadata=facts_of(result))
            for result in results
        ]
