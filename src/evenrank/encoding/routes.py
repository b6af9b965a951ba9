"""Encoders with modules of their own for queries and for passages: Routers.

``Router.for_query_document`` of Sentence Transformers has a route for ``query`` and one for
``document``; ``encode_query`` and ``encode_document`` choose it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

ROUTES = ("query", "document")
"""The routes of such an encoder, and the tasks that choose them."""


def has_routes(model: SentenceTransformer) -> bool:
    """Return whether queries and passages go through modules of their own."""
    from sentence_transformers.base.modules import Router

    return isinstance(model[0], Router)


def input_of(model: SentenceTransformer, route: str) -> Any:  # noqa: ANN401 - a module
    """Return the module that reads the texts of a route; its first one, if there are no routes."""
    return model[0].sub_modules[route][0] if has_routes(model) else model[0]


def inputs_of(model: SentenceTransformer) -> list[Any]:
    """Return the modules that read texts: one, or one for each route that has its own."""
    found: list[Any] = []
    for module in (input_of(model, route) for route in ROUTES):
        if not any(module is one for one in found):
            found.append(module)
    return found


def maximum_length(model: SentenceTransformer) -> float | None:
    """Return after how many tokens a text is cut; the smallest of several, ``None`` for no limit.

    (Sentence Transformers names the largest, with a warning.)
    """
    lengths = (getattr(module, "max_seq_length", None) for module in inputs_of(model))
    return min((one for one in lengths if one is not None), default=None)


def module_names(model: SentenceTransformer) -> list[str]:
    """Return the classes of the modules; for routes, those of each.

    Such as ``Router(query: StaticEmbedding; document: Transformer, Pooling)``.
    """
    names = [type(module).__name__ for module in model]
    if has_routes(model):
        routes = (
            f"{route}: {', '.join(type(one).__name__ for one in modules)}"
            for route, modules in model[0].sub_modules.items()
        )
        names[0] += f"({'; '.join(routes)})"
    return names
