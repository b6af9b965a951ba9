"""Counters and histograms in the text format of Prometheus, version 0.0.4.

>>> metrics = Metrics()
>>> metrics.count("evenrank_reloads_total", outcome="done")
>>> print(metrics.text().splitlines()[-1])
evenrank_reloads_total{outcome="done"} 1
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict

TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_BUCKETS: dict[str, tuple[float, ...]] = {
    "evenrank_request_seconds": _SECONDS,
    "evenrank_wait_seconds": _SECONDS,
    "evenrank_encode_seconds": _SECONDS,
    "evenrank_search_seconds": _SECONDS,
    "evenrank_batch_texts": _TEXTS,
}
_HELP = {
    "evenrank_requests_total": "Requests that were answered.",
    "evenrank_request_seconds": "Time from the head of a request to the end of its answer.",
    "evenrank_refused_total": "Requests refused because too many texts were waiting.",
    "evenrank_wait_seconds": "Time of a request in the queue.",
    "evenrank_encode_seconds": "Time to encode the texts of a batch.",
    "evenrank_search_seconds": "Time to search and merge for a batch.",
    "evenrank_batch_texts": "Texts that were encoded together.",
    "evenrank_results_total": "Results of searches, by their language.",
    "evenrank_reloads_total": "Times that the index was opened again.",
    "evenrank_queue_texts": "Texts that wait now.",
    "evenrank_passages": "Passages in the index, by language.",
}

_Labels = tuple[tuple[str, str], ...]


class Metrics:
    """What the server counts. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[str, dict[_Labels, float]] = defaultdict(dict)
        self._gauges: dict[str, dict[_Labels, float]] = {}
        self._histograms: dict[str, dict[_Labels, _Histogram]] = defaultdict(dict)

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        key = tuple(sorted(labels.items()))
        with self._lock:
            self._counters[name][key] = self._counters[name].get(key, 0) + amount

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add a value to a histogram."""
        key = tuple(sorted(labels.items()))
        with self._lock:
            found = self._histograms[name].setdefault(key, _Histogram(_BUCKETS[name]))
            found.add(value)

    def gauge(self, name: str, values: dict[str, float], label: str = "") -> None:
        """Set a gauge to its values, by the values of a label; ``""`` is the value without one."""
        with self._lock:
            self._gauges[name] = {
                ((label, key),) if label else (): value for key, value in values.items()
            }

    def text(self) -> str:
        """Return everything in the text format."""
        with self._lock:
            lines = [
                line
                for kind, families in (("counter", self._counters), ("gauge", self._gauges))
                for name, values in sorted(families.items())
                for line in (
                    *_head(name, kind),
                    *(
                        f"{name}{_shown(key)} {_number(value)}"
                        for key, value in sorted(values.items())
                    ),
                )
            ]
            for name, histograms in sorted(self._histograms.items()):
                lines += _head(name, "histogram")
                for key, histogram in sorted(histograms.items()):
                    lines += histogram.lines(name, key)
        return "\n".join(lines) + "\n"


class _Histogram:
    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds, self._counts, self._sum = bounds, [0] * (len(bounds) + 1), 0.0

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self, name: str, labels: _Labels) -> list[str]:
        lines: list[str] = []
        total = 0
        bounds = (*map(_number, self._bounds), "+Inf")
        for shown, count in zip(bounds, self._counts, strict=True):
            total += count
            lines.append(f"{name}_bucket{_shown((*labels, ('le', shown)))} {total}")
        return [*lines, f"{name}_sum{_shown(labels)} {_number(self._sum)}",
                f"{name}_count{_shown(labels)} {total}"]  # fmt: skip


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _head(name: str, kind: str) -> list[str]:
    return [f"# HELP {name} {_HELP[name]}", f"# TYPE {name} {kind}"]


def _shown(labels: _Labels) -> str:
    r"""Return labels as text.

    >>> _shown((("route", 'a"b'),))
    '{route="a\\"b"}'
    """
    if not labels:
        return ""
    parts = (f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{','.join(parts)}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
