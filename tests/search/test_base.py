import numpy as np
import pytest

from evenrank.errors import DataError
from evenrank.search.base import Hits


def test_hits_are_cut_and_keep_their_order() -> None:
    hits = Hits(("a", "b", "c"), np.array([0.9, 0.5, 0.5], dtype=np.float32))
    assert len(hits) == 3
    assert hits[1:].ids == ("b", "c")


@pytest.mark.parametrize("scores", [[0.5], [0.5, 0.9]])
def test_hits_that_are_not_in_order_are_refused(scores: list[float]) -> None:
    with pytest.raises(DataError, match="best first"):
        Hits(("a", "b"), np.array(scores, dtype=np.float32))
