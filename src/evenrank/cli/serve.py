"""``evenrank serve``: an index as an API and a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from evenrank.cli.debias import Debias, Strength, opened
from evenrank.cli.options import ModelSetting, assignments, say, split

if TYPE_CHECKING:
    from evenrank.serving.settings import ServeSettings

_LIMITS = "Limits"

Source = Annotated[
    str,
    typer.Argument(
        help="Folder of an index, or address of an engine: qdrant+http://HOST:PORT/COLLECTION, "
        "postgresql://HOST/DATABASE?table=NAME.",
        metavar="INDEX",
        show_default=False,
    ),
]
Model = Annotated[
    str | None,
    typer.Option("--model", help="What encodes queries. [default: the model of the index]"),
]
Host = Annotated[str, typer.Option("--host", help="Address to listen on.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")]
Title = Annotated[str, typer.Option("--title", help="Title of the page.", show_default=False)]
Origins = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-origin",
        callback=split,
        metavar="ORIGINS",
        help="Web pages that may read the answers, such as `https://example.org`. [default: none]",
        show_default=False,
    ),
]
Hosts = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host",
        callback=split,
        metavar="NAMES",
        help="Further names in the header Host, if a proxy passes them on.",
        show_default=False,
    ),
]
MaxK = Annotated[
    int, typer.Option("--max-k", min=1, help="Results of a query.", rich_help_panel=_LIMITS)
]
MaxText = Annotated[
    int,
    typer.Option("--max-text", min=1, help="Characters of a text.", rich_help_panel=_LIMITS),
]
MaxTexts = Annotated[
    int,
    typer.Option("--max-texts", min=1, help="Texts of a request.", rich_help_panel=_LIMITS),
]
MaxBody = Annotated[
    int, typer.Option("--max-body", min=1, help="Bytes of a request.", rich_help_panel=_LIMITS)
]
BatchSize = Annotated[
    int,
    typer.Option("--batch-size", min=1, help="Texts encoded at once.", rich_help_panel=_LIMITS),
]
WaitMs = Annotated[
    float,
    typer.Option(
        "--wait-ms",
        min=0,
        max=1000,
        help="Time that a query waits for others to be encoded with it.",
        rich_help_panel=_LIMITS,
    ),
]
Queue = Annotated[
    int,
    typer.Option("--queue", min=1, help="Texts that wait; more get 503.", rich_help_panel=_LIMITS),
]
Timeout = Annotated[
    float,
    typer.Option("--timeout", min=0.01, help="Seconds of a request.", rich_help_panel=_LIMITS),
]
LogLevel = Annotated[
    Literal["warning", "info", "debug"],
    typer.Option("--log-level", help="`info`: a line for each request; `debug` may quote queries."),
]


def serve_command(
    index: Source,
    model: Model = None,
    model_setting: ModelSetting = None,
    debias: Debias = None,
    strength: Strength = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    title: Title = "",
    allow_origin: Origins = None,
    allow_host: Hosts = None,
    max_k: MaxK = 200,
    max_text: MaxText = 10_000,
    max_texts: MaxTexts = 256,
    max_body: MaxBody = 1 << 20,
    batch_size: BatchSize = 64,
    wait_ms: WaitMs = 2,
    queue: Queue = 1024,
    timeout: Timeout = 30,
    log_level: LogLevel = "warning",
) -> None:
    """Serve an index: an API, and a page to search raw and balanced.

    A key in the environment variable EVENRANK_SERVE_KEY is needed in each request. Ctrl-C or
    SIGTERM stops after the running requests; SIGHUP opens a newer index.

    Example: `evenrank serve my-index`
    """
    correction = opened(debias, None)
    from evenrank.search.opening import open_searcher
    from evenrank.serving.run import serve
    from evenrank.serving.settings import ServeSettings, key_of_environment

    settings = ServeSettings(
        host=host,
        port=port,
        key=key_of_environment(),
        hosts=tuple(allow_host or ()),
        origins=tuple(allow_origin or ()),
        title=title,
        max_k=max_k,
        max_text=max_text,
        max_texts=max_texts,
        max_body=max_body,
        batch=batch_size,
        wait=wait_ms / 1000,
        queue=queue,
        timeout=timeout,
    )
    given = assignments("--model-setting", model_setting or []) or None
    serve(
        lambda: open_searcher(
            index, model, model_settings=given, correction=correction, strength=strength
        ),
        settings,
        ready=lambda address: _say_ready(settings, address),
        log_level=log_level,
    )


def _say_ready(settings: ServeSettings, address: str) -> None:
    if not settings.is_local and not settings.key:
        say("warning: no EVENRANK_SERVE_KEY, so all who reach this machine can search", error=True)
    say(f"serving  {address}")
