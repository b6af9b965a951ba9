"""``balanced``: one dial from the order of the scores to a ranking that favours no language.

In units of ``scale``, the mean deviation of the best scores of a language, a passage in place ``j``
of language ``l`` (0 is its best) has the value

    value = (s - level_l) / scale                    what it has more than any text of its language
          + w (level_l - mean level) / scale         what is left of the levels, w = (1 - b)^3
          + (1 - w) (1 - b) LEAD    [l is home]      a lead of the query language in their place
          - b (REPEAT + REPEAT_HOME [l is home]) ln(1 + j)

where ``b`` is the dial. Levels say more about languages than about answers, so they fade fast. The
lead keeps answers in the query language in their places, and is the same for all queries. The last
term makes each further passage of a language worth less: an answer that is not among the first
passages of its language is rarely among the next ones, so another language is the better choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from evenrank.search.policies.base import Candidates, Doubles, Policy, policy
from evenrank.search.policies.calibrated import Fraction

REPEAT = 0.375
"""What a passage loses for each factor of e in its place in its language, in units of scale."""
REPEAT_HOME = 0.8
"""What it loses in addition in the query language, which has a lead."""


@policy
class Balanced(Policy):
    """Corrected scores, a lead for the query language, and less for each further passage.

    The constants were chosen on one half of XQuAD-R for multilingual-e5-small. They are in units
    of the query's own scale, so they do not depend on the range of a model's scores.

    Attributes:
        balance: 0 is the order of the scores; 1 favours no language.
        lead: Lead of the query language in units of scale; 5.6 for flattened lists, which have
            no levels.
    """

    name: ClassVar[str] = "balanced"
    dial: ClassVar[Mapping[str, float]] = {"balance": 1.0}

    balance: Fraction = 0.4
    lead: Annotated[float, Field(ge=0, le=100)] = 4.1

    def values(self, found: Candidates) -> Doubles:
        """Return the values, multiplied by the scale and moved to the range of the scores."""
        dial = self.balance
        if dial == 0:
            return found.scores
        kept = (1 - dial) ** 3
        levels = found.levels - found.mean_level
        lead = (1 - kept) * (1 - dial) * self.lead * found.scale * found.at_home
        repeat = dial * (REPEAT + REPEAT_HOME * found.at_home) * found.scale
        places = np.log1p(np.arange(found.scores.shape[2]))
        offset = lead - (1 - kept) * levels
        return found.scores + offset[:, :, None] - repeat[:, :, None] * places

    def reason(self, language: str, *, urgent: bool, home: bool) -> str:
        """Return what the place is due to."""
        if home:
            return f"highest value left; '{language}' is the query language"
        return f"highest value left, corrected for the level of '{language}'"
