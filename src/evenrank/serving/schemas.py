"""Bodies of requests and answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Code = Annotated[str, Field(min_length=1, max_length=64)]
Weight = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]
FieldValue = str | int | float | bool


class Asked(BaseModel):
    """A body in which unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SearchBody(Asked):
    """Search. Give `query` or `queries`."""

    query: str | None = Field(None, description="One query.")
    queries: list[str] | None = Field(None, description="Several queries with the same options.")
    k: int = Field(10, ge=1, description="Results of each query.")
    offset: int = Field(0, ge=0, description="Results to skip: page 2 of 10 has offset 10.")
    balance: float | None = Field(
        None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="0: raw order, to 1: the most even one. Default: that of the policy.",
    )
    policy: str | None = Field(
        None, description="A policy, such as `round-robin`. Default: `balanced`."
    )
    query_language: Code | None = Field(None, description="Language of the query, if known.")
    languages: list[Code] | None = Field(None, description="Passage languages. Default: all.")
    exclude: list[Code] | None = Field(None, description="Passage languages to leave out.")
    weights: dict[Code, Weight] | None = Field(
        None, description="How much a reader prefers each language; others have 1."
    )
    filters: dict[str, FieldValue | list[FieldValue]] | None = Field(
        None, description="Metadata fields and the value, or the values, that match."
    )
    collapse: bool = Field(False, description="One result for all translations of a passage.")
    explain: bool = Field(False, description="Say why each result has its place.")

    @model_validator(mode="after")
    def _one_form(self) -> SearchBody:
        if (self.query is None) == (self.queries is None):
            raise ValueError("either query or queries")
        if self.queries is not None and not self.queries:
            raise ValueError("at least one query in queries")
        return self


class Found(BaseModel):
    """A result."""

    place: int = Field(description="1 is the first.")
    id: str
    language: str
    text: str
    score: float = Field(description="What the policy orders by.")
    raw_score: float = Field(description="Cosine similarity of query and passage.")
    correction: float = Field(description="What the correction of the index added to it.")
    place_in_language: int = Field(description="Place among the results of its language.")
    group: str = Field(description="Passages of one group are translations of each other.")
    metadata: dict[str, Any]
    reason: str | None = Field(None, description="Why it has this place, with `explain`.")


class Answer(BaseModel):
    """The results of one query."""

    results: list[Found]


class Answers(BaseModel):
    """The results of several queries."""

    answers: list[Answer]


class EmbeddingsBody(Asked):
    """Embeddings, with the schema of OpenAI and `input_type`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    input: str | list[str] = Field(description="A text or texts.")
    model: str = Field("", description="Not used: the server has one model.")
    input_type: Literal["query", "passage"] = Field(
        "query", description="What the texts are; many models encode the two differently."
    )
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(None, description="Only the width of the model.")


class Embedding(BaseModel):
    """One vector of length 1."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class Embeddings(BaseModel):
    """Vectors in the order of the texts."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str


class Document(Asked):
    """A document with its language."""

    text: str
    language: Code | None = None


class RerankBody(Asked):
    """Score documents for a query."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    query: str
    documents: list[str | Document] = Field(
        min_length=1, description="Texts, or objects with `text` and `language`."
    )
    model: str = Field("", description="Not used: the server has one model.")
    top_n: int | None = Field(None, ge=1, description="Results. Default: all documents.")
    query_language: Code | None = Field(None, description="Language of the query, if known.")
    return_documents: bool = False


class Scored(BaseModel):
    """A document's score."""

    index: int = Field(description="Position of the document in the request.")
    relevance_score: float
    document: Document | None = None


class Ranked(BaseModel):
    """Documents from best to worst."""

    model: str
    corrected: bool = Field(
        description="Whether the correction of the index was applied. It may need `language` and "
        "`query_language`."
    )
    results: list[Scored]


class LanguageFacts(BaseModel):
    """A language of the index."""

    language: str
    name: str
    passages: int
    share: float = Field(description="Share of all passages, 0 to 1.")
    right_to_left: bool


class LanguagesAnswer(BaseModel):
    """The languages of the index."""

    passages: int
    languages: list[LanguageFacts]


class Problem(BaseModel):
    """An error (RFC 9457), with the four parts that all errors of evenrank have."""

    type: str
    title: str
    status: int
    detail: str
    place: str
    found: str
    expected: str
    remedy: str
