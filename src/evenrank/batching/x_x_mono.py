"""X-X-mono: the whole batch is in one language."""

from __future__ import annotations

from evenrank.batching.base import STRATEGIES, Alpha, Mode, Strategy, single
from evenrank.batching.x_x import X_X

X_X_MONO = Mode("x-x-mono", one_language=True, fewest=1, draw=X_X.draw)


@STRATEGIES.decorator("x-x-mono")
def x_x_mono(alpha: Alpha) -> Strategy:
    """The whole batch is in one language: the paper's monolingual batching."""
    return single(X_X_MONO)
