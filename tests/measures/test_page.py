import doctest
import re
from pathlib import Path

import pytest

from evenrank.measures.base import MEASURES
from evenrank.measures.page import LABELS, measures_page

PAGE = Path(__file__).parents[2] / "docs" / "measures.md"


def test_the_page_in_docs_is_fresh():
    remedy = "run: python -m evenrank.measures.page docs/measures.md"
    assert PAGE.read_text(encoding="utf-8") == measures_page(), remedy


@pytest.mark.parametrize("name", list(MEASURES))
def test_every_measure_states_its_rules_and_shows_an_example(name):
    text = MEASURES.get(name).compute.__doc__
    for label in LABELS:
        assert re.search(rf"^ *{label}: ", text, re.MULTILINE), label
    assert ">>> " in text
    assert f"`{name}" in measures_page()


def test_the_examples_of_the_page_run():
    code = re.findall(r"^```python\n(.*?)^```", measures_page(), re.MULTILINE | re.DOTALL)
    assert len(code) == len(list(MEASURES))
    flags = doctest.NORMALIZE_WHITESPACE
    for number, example in enumerate(code):
        case = doctest.DocTestParser().get_doctest(example, {}, f"example {number}", None, 0)
        outcome = doctest.DocTestRunner(optionflags=flags).run(case)
        assert outcome.attempted > 2
        assert outcome.failed == 0
