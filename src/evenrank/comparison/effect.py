"""How large a difference is against how much it varies from question to question."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenrank.comparison.blocks import BlockSums

Values = NDArray[np.float64]

CONSTANT = 1e-12
"""Differences whose deviation is below this share of their mean are all the same number."""


def standardised_difference(differences: BlockSums) -> Values:
    """Return Cohen's d_z of each figure: the mean of the blocks' differences over their deviation.

    Of a cell these are the differences of its queries; of a macro mean, what each question adds
    to it over all languages. Unlike a p-value it does not grow with the number of questions. Cohen
    called .2 small, .5 medium and .8 large; systems that answer the same questions differ by
    less as a rule.

    Formula: ``d_z = mean(x) / sd(x)`` over the blocks that have a query in the cell, ``sd`` with
    ``n - 1``.
    Empty: 0 where no block differs; NaN with fewer than two blocks, or where all blocks differ
    by exactly the same.
    Source: Cohen (1988), Statistical Power Analysis, section 2.3.5; Lakens (2013),
    doi:10.3389/fpsyg.2013.00863, equation 7.

    Returns:
        ``(C + M,)`` effect sizes, with the sign of the difference.
    """
    parts, present = differences.parts, differences.present
    blocks = present.sum(axis=0)
    mean = parts.sum(axis=0) / blocks
    squares = (np.where(present, parts - mean, 0.0) ** 2).sum(axis=0)
    deviation = np.sqrt(squares / np.maximum(blocks - 1, 1))
    defined = (blocks > 1) & (deviation > CONSTANT * np.abs(mean))
    effect: Values = np.where(mean == 0, 0.0, np.nan)
    np.divide(mean, deviation, out=effect, where=defined)
    return effect
