"""Hybrid: each batch is X-X-mono with probability alpha, else X-Y (arXiv 2408.10536)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenrank.batching.base import STRATEGIES, Alpha, Strategy
from evenrank.batching.x_x_mono import X_X_MONO
from evenrank.batching.x_y import X_Y


@STRATEGIES.decorator("hybrid")
def hybrid(alpha: Alpha) -> Strategy:
    """Monolingual with probability alpha, else cross-lingual: the paper's hybrid batches."""
    first, last = alpha if isinstance(alpha, tuple) else (alpha, alpha)

    def mixture(progress: NDArray[np.float64]) -> NDArray[np.float64]:
        share = first + (last - first) * progress
        return np.column_stack([share, 1 - share])

    name = f"hybrid({first:g})" if first == last else f"hybrid({first:g} to {last:g})"
    return Strategy(name, (X_X_MONO, X_Y), mixture)
