"""The compiled loops: keys order passages as a ranking does, and the best of them stay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenrank.ranking import counting
from evenrank.ranking.counting import NO_KEY, close_top, decode_keys, keep_top

WIDTH = 128
scores = st.floats(-2, 2, width=32)
positions = st.integers(0, 2**32 - 1)


@given(st.lists(st.tuples(scores, positions), min_size=1, unique_by=lambda pair: pair[1]))
def test_keys_are_in_the_order_of_the_ranking(pairs):
    keys = np.array([counting._key(np.float32(score), place) for score, place in pairs])
    order = sorted(range(len(pairs)), key=lambda one: (-pairs[one][0], pairs[one][1]))
    assert np.argsort(-keys, kind="stable").tolist() == order
    found_scores, found_positions = decode_keys(keys)
    assert found_scores.tolist() == [score for score, _ in pairs]
    assert found_positions.tolist() == [place for _, place in pairs]


def tiles_of(scores_BD, panels):
    """Cut rows of scores into tiles of panels; what is after the end would rank first."""
    queries, count = scores_BD.shape
    for start in range(0, count, panels * WIDTH):
        part = scores_BD[:, start : start + panels * WIDTH]
        tile = np.full((-(-part.shape[1] // WIDTH), queries, WIDTH), 9, dtype=np.float32)
        for panel in range(len(tile)):
            some = part[:, panel * WIDTH : (panel + 1) * WIDTH]
            tile[panel, :, : some.shape[1]] = some
        yield start, part.shape[1], tile


def top_of(tiles, queries, kept, spare):
    keys = np.full((queries, kept + spare), NO_KEY)
    fills, floors = np.zeros(queries, np.int64), np.full(queries, -np.inf, np.float32)
    for start, columns, tile in tiles:
        keep_top(tile, start, columns, kept, keys, fills, floors)
    close_top(kept, keys, fills)
    return decode_keys(np.sort(keys[:, :kept], axis=1)[:, ::-1])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 900),
    kept=st.integers(1, 150),
    spare=st.sampled_from([1, 7, 64]),
    panels=st.integers(1, 4),
    levels=st.sampled_from([1, 3, 1000]),
)
def test_the_best_stay_whatever_the_order_of_tiles(seed, count, kept, spare, panels, levels):
    """With one level all scores are equal, with three there are ties everywhere."""
    rng = np.random.default_rng(seed)
    scores_BD = (rng.integers(0, levels, (5, count)) / levels - 0.5).astype(np.float32)
    tiles = list(tiles_of(scores_BD, panels))
    order = np.argsort(-scores_BD, axis=1, kind="stable")[:, :kept]
    for some in (tiles, tiles[::-1]):
        found_scores, found_positions = top_of(some, 5, kept, spare)
        assert np.array_equal(found_positions[:, : order.shape[1]], order)
        assert np.array_equal(
            found_scores[:, : order.shape[1]], np.take_along_axis(scores_BD, order, axis=1)
        )
        assert (found_positions[:, order.shape[1] :] == -1).all()
        assert (found_scores[:, order.shape[1] :] == -np.inf).all()


@pytest.mark.parametrize("kept", [10, 100])
def test_few_candidates_are_read_after_the_first_tile(kept):
    """The first floor is close to the score of the last kept passage, or the pass would be slow."""
    scores_BD = np.random.default_rng(0).standard_normal((20, 16 * WIDTH)).astype(np.float32)
    ((_, columns, tile),) = tiles_of(scores_BD, 16)
    for row in range(20):
        floor = counting._first_floor(tile, row, columns, kept)
        assert kept <= (scores_BD[row] >= floor).sum() <= 2.5 * kept
