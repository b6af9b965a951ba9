"""The search server under load, on the loopback address.

    python perf/serve_load.py                     50 clients, 60 s, 200,000 passages
    python perf/serve_load.py --passages 20000 --seconds 10

1. Builds an index of synthetic passages in eleven languages with a static encoder.
2. Times the bare kernel in this process: searches of ready vectors, one by one and 50 at once.
3. Starts ``evenrank serve`` as a process of its own. Clients send one query after another and check
   each answer. Prints throughput, p50, p95, errors and the memory of the server.
4. The same with clients that cut connections, send garbage, over-long bodies and half heads next to
   ten honest ones, which must see no error.

Queries per CPU second can be compared also where other programs use the machine.

Exits with 1 if an honest client saw an error, or the server had over 10 % more memory at the end of
a load than at most in its first half.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from evenrank.encoding.base import build_encoder
from evenrank.encoding.encode import Work, encode_texts
from evenrank.search.index.build import build_index
from evenrank.search.opening import open_searcher
from evenrank.search.searcher import Searcher

LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
WORDS = 3_000
WIDTH = 384
CLIENTS = 50
HONEST = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        index, queries = build(Path(folder), options.passages)
        with open_searcher(index) as searcher:
            kernel(searcher, queries)
        sys.exit(asyncio.run(measure(index, queries, options.seconds)))


def build(folder: Path, count: int) -> tuple[Path, list[str]]:
    """Write an index, and return its folder and queries."""
    draw = random.Random(1)
    words = {lang: [f"{lang}{draw.getrandbits(40):x}" for _ in range(WORDS)] for lang in LANGUAGES}
    shared = [f"n{number}" for number in range(500)]  # names and numbers, the same in all languages

    def text(lang: str, size: int) -> str:
        return " ".join([*draw.choices(words[lang], k=size), *draw.choices(shared, k=2)])

    with (folder / "passages.jsonl").open("w") as file:
        for number in range(count):
            lang = LANGUAGES[number % len(LANGUAGES)]
            row = {"id": f"p{number}", "lang": lang, "text": text(lang, 12)}
            file.write(json.dumps(row) + "\n")
    queries = [text(draw.choice(LANGUAGES), 4) for _ in range(5_000)]
    build_encoder("static", queries, {"width": WIDTH}).save_pretrained(str(folder / "model"))
    build_index(folder / "passages.jsonl", str(folder / "model"), folder / "index")
    return folder / "index", queries


def kernel(searcher: Searcher, queries: list[str]) -> None:
    """Time searches without a server."""
    vectors = np.asarray(encode_texts(Work(searcher.model, "query"), queries[:500]))
    searcher.search_vectors(vectors[:1])  # compiles
    for at_once in (1, CLIENTS):
        start, used, done = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - start < 3:
            at = done % (len(vectors) - at_once)
            searcher.search_vectors(vectors[at : at + at_once])
            done += at_once
        took, used = time.perf_counter() - start, time.process_time() - used
        name = f"bare kernel, {at_once} at once"
        print(f"{name}: {done / took:,.0f} queries/s, {done / used:,.0f} per CPU second")


@dataclass
class Seen:
    """What the clients saw."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    attacks: int = 0


async def measure(index: Path, queries: list[str], seconds: float) -> int:
    """Start the server, run the clients, and return the exit code."""
    async with server(index) as (process, port):
        quiet = Seen()
        for _ in range(50):
            await ask(port, queries, quiet, until=time.monotonic() + 0.05)
        honest = await load("50 clients", process, port, queries, seconds, CLIENTS, 0)
        mixed = await load("with bad clients", process, port, queries, seconds / 3, HONEST, 20)
        os.kill(process.pid, signal.SIGTERM)
        code = await process.wait()
        print(f"exit status of the server after SIGTERM: {code}")
    for error in [*honest.errors, *mixed.errors][:10]:
        print("error:", error)
    return int(bool(honest.errors or mixed.errors))


@asynccontextmanager
async def server(index: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    command = [sys.executable, "-m", "evenrank", "serve", str(index), "--port", "0"]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    port = int(line.rpartition(":")[2])
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            break
        await asyncio.sleep(0.1)
    try:
        yield process, port
    finally:
        with suppress(ProcessLookupError):
            process.kill()


async def load(
    name: str,
    process: asyncio.subprocess.Process,
    port: int,
    queries: list[str],
    seconds: float,
    honest: int,
    bad: int,
) -> Seen:
    """Run clients for some time, and print what they saw."""
    seen = Seen()
    start, end = time.monotonic(), time.monotonic() + seconds
    before, used = await metrics(port), cpu_seconds(process)
    sizes: list[float] = []

    async def watch() -> None:
        while time.monotonic() < end:
            sizes.append(memory(process))
            await asyncio.sleep(0.5)

    clients = [ask(port, queries, seen, until=end) for _ in range(honest)]
    await asyncio.gather(watch(), *clients, *(attack(port, seen, end) for _ in range(bad)))
    took, used = time.monotonic() - start, cpu_seconds(process) - used
    p50, p95, p99 = np.percentile(np.array(seen.seconds) * 1000, [50, 95, 99])
    after = await metrics(port)
    batches = after["evenrank_batch_texts_count"] - before["evenrank_batch_texts_count"]
    texts = after["evenrank_batch_texts_sum"] - before["evenrank_batch_texts_sum"]
    early, late = max(sizes[: len(sizes) // 2]), float(np.mean(sizes[-5:]))
    print(
        f"{name}: {len(seen.seconds) / took:,.0f} queries/s, "
        f"{len(seen.seconds) / used:,.0f} per CPU second of the server, "
        f"p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms, "
        f"{len(seen.seconds):,} answers, {len(seen.errors)} errors, "
        f"{seen.attacks:,} attacks, {texts / batches:.1f} texts in a batch, "
        f"memory {early:.0f} MB at most in the first half, {late:.0f} MB at the end"
    )
    if late > 1.1 * early:
        seen.errors.append(f"memory grew from {early:.0f} to {late:.0f} MB")
    return seen


async def ask(port: int, queries: list[str], seen: Seen, *, until: float) -> None:
    """Send one query after another, and check the answers."""
    draw = random.Random(len(seen.seconds))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < until:
        body = json.dumps({"query": draw.choice(queries), "k": 10}).encode()
        start = time.perf_counter()
        try:
            writer.write(request("POST", "/search", body))
            status, content = await answer(reader)
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            seen.errors.append(repr(error))
            return
        seen.seconds.append(time.perf_counter() - start)
        if status != 200 or len(json.loads(content)["results"]) != 10:
            seen.errors.append(content[:200].decode())
    writer.close()


def request(method: str, path: str, body: bytes = b"") -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    return int(head.split(b" ")[1]), await reader.readexactly(length)


def _cut(draw: random.Random) -> bytes:
    whole = request("POST", "/search", json.dumps({"query": "cut"}).encode())
    return whole[: draw.randrange(1, len(whole))]


BAD: list[Callable[[random.Random], bytes]] = [
    _cut,
    lambda draw: draw.randbytes(draw.randrange(1, 5_000)),
    lambda draw: request("POST", "/search", b"x" * 3_000_000),
    lambda draw: request("POST", "/search", draw.randbytes(500)),
    lambda draw: request("POST", "/search", b'{"query": ' + b"[" * 100_000),
    lambda draw: request("POST", "/search", json.dumps({"query": "a" * 50_000}).encode()),
    lambda draw: request("GET", f"/{draw.getrandbits(64):x}"),
    lambda draw: b"GET /?q=" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
]


async def attack(port: int, seen: Seen, until: float) -> None:
    """Open connections, send something bad, and leave, often without reading the answer."""
    draw = random.Random(id(until))
    while time.monotonic() < until:
        with suppress(OSError, asyncio.TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(draw.choice(BAD)(draw))
            seen.attacks += 1
            with suppress(OSError, asyncio.TimeoutError):
                await asyncio.wait_for(writer.drain(), 1)
                if draw.random() < 0.5:
                    await asyncio.wait_for(reader.read(1_000), 0.2)
            writer.transport.abort()
        await asyncio.sleep(0.01)


async def metrics(port: int) -> dict[str, float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request("GET", "/metrics"))
    _, content = await answer(reader)
    writer.close()
    lines = [line for line in content.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def cpu_seconds(process: asyncio.subprocess.Process) -> float:
    """Return the time that all threads of the server have computed."""
    facts = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(facts[11]) + int(facts[12])) / os.sysconf("SC_CLK_TCK")


def memory(process: asyncio.subprocess.Process) -> float:
    """Return the resident memory of the server without its mapped files, in MB."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    main()
