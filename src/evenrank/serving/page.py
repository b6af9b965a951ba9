"""The page: a form and its results, rendered here, so that it works without JavaScript.

The script of the page asks for the same page with other values and takes the results out of it. So
there is one renderer, and texts of the index are escaped in one place.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request
from jinja2 import Environment, FunctionLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from evenrank.errors import EvenrankError
from evenrank.languages import is_right_to_left, language_name
from evenrank.search.searcher import Result
from evenrank.serving.form import Form, read_form
from evenrank.serving.jobs import SearchJob
from evenrank.serving.problems import status_of
from evenrank.serving.service import Service
from evenrank.text import printable

HUES = 12
"""Colours of languages; further languages use them again, and always show their code."""
DEPTH = 100
"""Places of the other list that a result is looked up in."""
LONG = 420
"""Characters of a text that are shown at once."""


@dataclass(frozen=True)
class Entry:
    """A result in one list.

    Attributes:
        result: The result.
        other: Its place in the other list; ``None`` if it is further down than that list goes.
    """

    result: Result
    other: int | None

    @property
    def rise(self) -> int:
        """Places that it is higher than in the other list; 0 if that is not known."""
        return 0 if self.other is None else self.other - self.result.place


@dataclass(frozen=True)
class Column:
    """One list on the page.

    Attributes:
        name: ``raw`` or ``balanced``.
        title: Its heading.
        entries: Results of this page of the list.
        more: Whether there is a further page.
        depth: Places of the other list that were looked at.
    """

    name: str
    title: str
    entries: Sequence[Entry]
    more: bool
    depth: int

    @property
    def summary(self) -> str:
        """How the first places are shared."""
        counts = Counter(entry.result.language for entry in self.entries)
        if not counts:
            return "no results"
        (first, most), *others = counts.most_common()
        if not others:
            return f"all in {language_name(first)}"
        if most == 1:
            return f"{len(counts)} languages, one result each"
        return f"{len(counts)} languages, {most} of {counts.total()} in {language_name(first)}"


@dataclass(frozen=True)
class Shown:
    """What the page shows.

    Attributes:
        form: The values of the form.
        columns: The lists.
        error: Why there are none.
    """

    form: Form
    columns: Sequence[Column] = field(default=())
    error: EvenrankError | None = None


def add_page(app: FastAPI, service: Service) -> None:
    """Add the page, its style and script, and the description of the API."""
    environment = _environment(service)
    assets = {name: environment.get_template(name).render() for name in ("page.css", "page.js")}
    stamp = hashlib.sha256("".join(assets.values()).encode()).hexdigest()[:12]
    environment.globals["stamp"] = stamp  # a newer style has another address

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        shown = await _answer(service, request.query_params)
        languages = service.languages()
        content = environment.get_template("page.html").render(
            shown=shown,
            form=shown.form,
            facts=service.facts,
            languages=languages.languages,
            hue={one.language: at % HUES for at, one in enumerate(languages.languages)},
            address=lambda **changes: shown.form.address(**changes),
        )
        status = 200 if shown.error is None else status_of(shown.error)
        return HTMLResponse(content, status)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(environment.get_template("docs.html").render(schema=app.openapi()))

    def asset(name: str, kind: str) -> None:
        @app.get(f"/{name}", include_in_schema=False)
        async def read() -> Response:
            headers = {"Cache-Control": "public, max-age=31536000, immutable"}
            return Response(assets[name], headers=headers, media_type=kind)

    asset("page.css", "text/css")
    asset("page.js", "text/javascript")


async def _answer(service: Service, values: Mapping[str, Any]) -> Shown:
    """Return what the page shows for the values of its form."""
    form = Form(values.get("q", ""))  # also where another value is wrong
    try:
        form = read_form(values, service.facts.languages, service.settings.max_k)
        if not form.query:
            return Shown(form)
        return Shown(form, await _columns(service, form))
    except EvenrankError as error:
        return Shown(form, error=error)


async def _columns(service: Service, form: Form) -> list[Column]:
    service.check_texts([form.query], "query")
    end = form.offset + form.k
    depth = max(DEPTH, end + 1)
    options: dict[str, Any] = {"k": depth, "explain": True}
    if form.languages:
        options["languages"] = list(form.languages)
    if form.collapse:
        options["collapse"] = True
    asked = None if form.query_language is None else [form.query_language]

    async def found(choice: dict[str, Any]) -> list[Result]:
        job = SearchJob(queries=[form.query], options=options | choice, query_languages=asked)
        (results,) = await service.batcher.submit(job)
        return list(results)

    raw, balanced = await asyncio.gather(
        found({"policy": "raw", "corrected": False}), found({"balance": form.balance})
    )
    for result in balanced[form.offset : end]:
        service.metrics.count("evenrank_results_total", language=result.language)
    columns = [
        _column("raw", "Raw", raw, balanced, form, depth),
        _column("balanced", "Balanced", balanced, raw, form, depth),
    ]
    return columns if form.view == "both" else columns[1:]


def _column(
    name: str, title: str, own: list[Result], other: list[Result], form: Form, depth: int
) -> Column:
    places = {result.id: result.place for result in other}
    end = form.offset + form.k
    entries = [Entry(result, places.get(result.id)) for result in own[form.offset : end]]
    return Column(name, title, entries, len(own) > end, depth)


def _environment(service: Service) -> Environment:
    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        title=service.settings.title or "evenrank",
        version=version("evenrank"),
        hues=HUES,
        long=LONG,
        direction=lambda code: "rtl" if is_right_to_left(code) else "auto",
        language_name=language_name,
        number=lambda value: f"{value:.3f}".replace("0.", ".", 1),
        percent=lambda share: "<1\u202f%" if share < 0.01 else f"{100 * share:.0f}\u202f%",
        width=lambda share: f"w{max(1, round(100 * share))}",
    )
    return environment


def _template(name: str) -> str:
    return (files("evenrank.serving") / "templates" / name).read_text(encoding="utf-8")
