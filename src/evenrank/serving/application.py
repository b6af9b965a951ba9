"""The HTTP application: addresses and what they answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response

from evenrank.search.searcher import Result
from evenrank.serving.gate import Gate
from evenrank.serving.metrics import TYPE
from evenrank.serving.page import add_page
from evenrank.serving.problems import RefusedError, add_problems
from evenrank.serving.schemas import (
    Answer,
    Answers,
    Embeddings,
    EmbeddingsBody,
    Found,
    LanguagesAnswer,
    Problem,
    Ranked,
    RerankBody,
    SearchBody,
)
from evenrank.serving.service import Service

_STATUSES = {
    400: "A value is not allowed.",
    401: "No key, or another one.",
    413: "The body or a text is too large.",
    503: "Too many texts are waiting; the header Retry-After says when to try again.",
    504: "It took too long.",
}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": text,
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }
    for status, text in _STATUSES.items()
}


def build_application(service: Service) -> FastAPI:
    """Return the application of an open index."""
    settings = service.settings

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.batcher.start()
        try:
            yield
        finally:
            await service.batcher.stop()

    middleware = [Middleware(Gate, settings=settings, metrics=service.metrics)]
    if settings.origins:  # in front of the gate: a browser asks for permission without a key
        middleware.insert(
            0,
            Middleware(
                CORSMiddleware,
                allow_origins=list(settings.origins),
                allow_methods=["GET", "POST"],
                allow_headers=["Authorization", "Content-Type"],
            ),
        )
    app = FastAPI(
        title="evenrank",
        version=version("evenrank"),
        description="Search that serves every language.",
        lifespan=lifespan,
        middleware=middleware,
        docs_url=None,
        redoc_url=None,
        responses=_PROBLEMS,
    )
    add_problems(app)
    _add_search(app, service)
    _add_models(app, service)
    _add_operations(app, service)
    add_page(app, service)
    _describe_problems(app)
    return app


def _add_search(app: FastAPI, service: Service) -> None:
    @app.post("/search", tags=["search"], response_model_exclude_none=True)
    async def search(body: SearchBody) -> Answer | Answers:
        """Search. `query` gives `results`; `queries` give `answers`, which have `results`."""
        found = await service.search(body)
        answers = [
            Answer(results=[_found(result, explain=body.explain) for result in results])
            for results in found
        ]
        return answers[0] if body.query is not None else Answers(answers=answers)

    @app.get("/languages", tags=["search"])
    async def languages() -> LanguagesAnswer:
        """Languages of the index, with names and shares."""
        return service.languages()


def _add_models(app: FastAPI, service: Service) -> None:
    @app.post("/v1/embeddings", tags=["model"])
    async def embeddings(body: EmbeddingsBody) -> Embeddings:
        """Unit vectors of texts, without correction, with the schema of OpenAI."""
        return await service.embeddings(body)

    @app.post("/rerank", tags=["model"], response_model_exclude_none=True)
    async def rerank(body: RerankBody) -> Ranked:
        """Score documents for a query, corrected across languages if the index has a correction."""
        return await service.rerank(body)


def _add_operations(app: FastAPI, service: Service) -> None:
    @app.get("/health", tags=["operations"])
    async def health() -> dict[str, str]:
        """Whether the server runs; needs no key."""
        return {"status": "ok"}

    @app.get("/metrics", tags=["operations"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Counters and histograms for Prometheus."""
        service.metrics.gauge("evenrank_queue_texts", {"": service.batcher.waiting})
        return Response(service.metrics.text(), media_type=TYPE)

    @app.post("/reload", tags=["operations"])
    async def reload(request: Request) -> LanguagesAnswer:
        """Open a newer index. Needs a server with a key, sent as a bearer token."""
        scheme = request.headers.get("authorization", "").partition(" ")[0].lower()
        if not service.settings.key or scheme != "bearer":  # a web page cannot make a browser do it
            expected = "a server with a key, and the key as a bearer token"
            raise RefusedError(403, "/reload", "no key", expected, "Or send the signal SIGHUP")
        await service.reload()
        return service.languages()


def _found(result: Result, *, explain: bool) -> Found:
    return Found(
        place=result.place,
        id=result.id,
        language=result.language,
        text=result.text,
        score=result.score,
        raw_score=result.raw_score,
        correction=result.correction,
        place_in_language=result.place_in_language,
        group=result.group,
        metadata=dict(result.metadata),
        reason=result.reason if explain else None,
    )


def _describe_problems(app: FastAPI) -> None:
    """Put the form of errors into the description, in place of FastAPI's."""
    build = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = build()
            schemas = schema["components"]["schemas"]
            schemas["Problem"] = Problem.model_json_schema()
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            for operations in schema["paths"].values():
                for operation in operations.values():
                    operation["responses"].pop("422", None)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]
