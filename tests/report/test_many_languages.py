"""A report of the 204 languages of FLORES-200 is small, fast and readable."""

import csv
import gzip
import hashlib
import io
import re
import time
from base64 import b64decode, b64encode

import numpy as np
import pytest

from evenrank.report.build import build_report, write_report
from evenrank.report.heatmap import MANY, Grid
from evenrank.results.folder import read_result


@pytest.fixture(scope="module")
def written(flores, tmp_path_factory):
    start = time.perf_counter()
    (path,) = write_report([flores], tmp_path_factory.mktemp("page") / "report.html")
    return path, time.perf_counter() - start


def section(report, name):
    return next(one for one in report.parts[0].sections if one.name == name).blocks


def test_it_is_small_and_fast(written):
    path, seconds = written
    assert path.stat().st_size < 1_000_000
    assert seconds < 30  # on an idle machine a tenth


def test_no_table_of_the_page_is_too_wide_to_be_read(flores):
    report = build_report([flores])
    tables = [block for name in ("pairs", "share") for block in section(report, name)]
    panels = [panel for block in tables if block.kind == "figure" for panel in block.panels]
    assert len(panels) == 2
    assert all(len(panel.columns) <= MANY + 1 for panel in panels)
    (worst,) = section(report, "worst")[1:]
    assert len(worst.blocks[0].columns) == 1
    assert all(len(query.rankings[0][1]) == 1 + 10 for query in worst.blocks[1:])
    assert "Latin (127)" in {row.title for row in panels[0].rows}


def test_means_by_script_leave_out_pairs_of_one_language():
    values = np.array([[0.9, 0.1, 0.3], [0.2, 0.8, 0.5], [0.4, 0.6, np.nan]])
    langs = ["de", "en", "ru"]
    means = Grid(langs, langs, values).by_script()
    assert means.rows == ["Latin (2)", "Cyrillic (1)"]
    assert means.columns == ["same language", *means.rows]
    np.testing.assert_allclose(means.values, [[0.85, 0.15, 0.4], [np.nan, 0.5, np.nan]])
    each = Grid(langs, langs, values).by_script(rows=False)
    assert each.rows == langs
    np.testing.assert_allclose(each.values[0], [0.9, 0.1, 0.3])


def test_every_pair_can_be_downloaded_as_numbers(flores, written):
    text = written[0].read_text(encoding="utf-8")
    link = r'download="pairs-1.csv.gz" href="data:application/gzip;base64,(\S*?)"'
    (data,) = re.findall(link, text)
    head, *rows = csv.reader(io.StringIO(gzip.decompress(b64decode(data)).decode()))
    expected = read_result(flores).pairs["AP"]
    assert len(rows) == 204
    for row in rows:
        found = dict(zip(head[1:], map(float, row[1:]), strict=True))
        assert found == pytest.approx(expected[row[0]], abs=1e-4)


def test_languages_can_be_searched_by_one_script_that_the_policy_knows(written):
    page = written[0].read_text(encoding="utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)">', page)
    assert f"script-src 'sha256-{digest}';" in policy.replace("&#39;", "'")
    assert '<p class="search" hidden>' in page  # until the script runs
    assert page.count("Welsh (cy)") == 3  # all languages are there without it
