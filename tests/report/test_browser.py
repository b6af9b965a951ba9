"""The page in a browser, if there is one."""

import html
import json
import re
import shutil
import subprocess
import tempfile

import pytest

from evenrank.report.build import build_report
from evenrank.report.page import render_html
from evenrank.results.folder import read_result

PHONE, DESKTOP = 390, 1280

MEASURE = """
<!DOCTYPE html><body><iframe srcdoc="{page}" style="border: 0; width: {width}px; height: 800px">
</iframe><pre></pre><script>
function search(page) {{
  const field = page.querySelector("#search");
  if (field === null) return null;
  field.value = "Wel";
  field.dispatchEvent(new Event("input"));
  const rows = [...page.querySelectorAll(".long-table tbody tr:not([hidden])")];
  return [field.checkVisibility(), rows.map((row) => row.cells[0].textContent)];
}}
addEventListener("load", () => {{
  const {{contentDocument: page, contentWindow: view}} = document.querySelector("iframe");
  page.querySelectorAll("details").forEach((fold) => fold.open = true);
  const box = (element) => element.getBoundingClientRect();
  document.querySelector("pre").textContent = JSON.stringify({{
    width: page.documentElement.clientWidth,
    needed: page.documentElement.scrollWidth,
    requests: view.performance.getEntriesByType("resource").length,
    drawings: [...page.querySelectorAll(".plot svg")].map((svg) => box(svg).width),
    tables: page.querySelectorAll("table").length,
    texts: [...page.querySelectorAll(".passages p[lang]")].map((text) => {{
      const letters = page.createRange();
      letters.selectNodeContents(text);
      const [around, inside] = [box(text), letters.getBoundingClientRect()];
      const side = inside.left - around.left > around.right - inside.right ? "right" : "left";
      return [text.lang, view.getComputedStyle(text).direction, side];
    }}),
    rows: page.querySelectorAll(".fold:has(> .query) > .table-block tbody tr").length,
    languages: search(page),
  }});
}});
</script>
"""


def dump(browser, path):
    """Return the page after its script has run, from a browser with a new profile."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-sync"),
            *("--disable-background-networking", "--no-first-run", f"--user-data-dir={profile}"),
            *("--virtual-time-budget=10000", "--dump-dom", path.as_uri()),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    return done.stdout


@pytest.fixture(scope="module")
def browse(tmp_path_factory):
    """A function that shows a page at some width and returns what it measures."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium on this machine")
    folder = tmp_path_factory.mktemp("browser")
    trial = folder / "trial.html"
    trial.write_text("<p id=works>works</p>", encoding="utf-8")
    if "works" not in dump(browser, trial):
        pytest.skip("chromium does not start on this machine")

    def measure(page, width, *, policy=False):
        """Without its policy, a request of the page would be seen."""
        path = folder / f"{width}.html"
        shown = page if policy else re.sub(r"<meta http-equiv[^>]*>", "", page)
        text = MEASURE.format(page=html.escape(shown), width=width)
        path.write_text(text.strip(), encoding="utf-8")
        shown = dump(browser, path)
        found = re.search(r"<pre>(\{.*?\})</pre>", shown)
        assert found, f"nothing measured in {shown[-2000:]!r}"
        return json.loads(html.unescape(found[1]))

    return measure


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_the_page_fits_and_asks_for_nothing(samples, edited, browse, width):
    long_label = edited(samples[1], model__label="a-label-without-any-break-" * 6)
    found = browse(render_html(build_report([samples[0], long_label])), width)
    assert found["needed"] <= found["width"] <= width
    assert found["requests"] == 0
    assert found["tables"] > 30
    assert found["rows"] == 2 * 20
    assert all(0 < drawn <= width for drawn in found["drawings"])


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_each_script_runs_its_own_way_also_after_a_latin_name(right_to_left, edited, browse, width):
    """Each text begins with a Latin name, by which alone a browser would take it as English."""
    worst = [
        query.model_copy(
            update={
                "answers": [
                    answer.model_copy(update={"text": f"NATO, {answer.text}"})
                    for answer in query.answers
                ]
            }
        )
        for query in read_result(right_to_left).worst
    ]
    found = browse(render_html(build_report([edited(right_to_left, worst=worst)])), width)
    assert found["needed"] <= found["width"] <= width
    assert found["rows"] == 20
    sides = {(lang, direction, side) for lang, direction, side in found["texts"]}
    right = {(lang, "rtl", "right") for lang in ("ar", "fa", "he", "ur")}
    assert sides == right | {("de", "ltr", "left")}


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_a_search_shows_the_languages_that_it_finds(flores, browse, width):
    found = browse(render_html(build_report([flores])), width, policy=True)
    visible, languages = found["languages"]
    assert visible
    assert languages == ["Welsh (cy)"] * 3  # by query language, pairs, sizes
    assert found["needed"] <= found["width"] <= width
