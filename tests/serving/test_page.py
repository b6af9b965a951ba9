"""The page as the server renders it, without a browser: what works without JavaScript."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


class Elements(HTMLParser):
    """The elements of a page, and the text in each result."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.found, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag, **wanted):
        return [
            own
            for name, own in self.found
            if name == tag and all(own.get(key) == value for key, value in wanted.items())
        ]


def read(client, **values):
    answer = client.get("/", params=values)
    assert answer.headers["Content-Type"].startswith("text/html")
    return answer, Elements(answer.text)


def test_a_first_visit_shows_the_form_and_what_the_index_contains(client):
    answer, page = read(client)
    assert answer.status_code == 200
    assert "What this index contains" in page.text
    languages = [one["value"] for one in page.all("input", name="l")]
    assert languages == ["en", "ar", "de", "th"]
    assert not page.all("li", **{"class": "result"})
    assert page.all("form", method="get", action="/")
    assert all("://" not in str(own.get("src", own.get("href", ""))) for _, own in page.found)
    assert not [own for _, own in page.found if any(key.startswith("on") for key in own)]
    assert not page.all("style")
    assert not [own for _, own in page.found if "style" in own]


def test_a_search_shows_both_lists_with_places_and_reasons(client):
    _, page = read(client, q="pool 17", balance="1", ql="de")
    results = page.all("li", **{"class": "result"})
    assert len(results) == 20
    raw, balanced = results[:10], results[10:]
    assert [one["id"] for one in raw] == [f"raw-{place}" for place in range(1, 11)]
    searched = client.post("/search", json={"query": "pool 17", "balance": 1, "explain": True,
                                            "query_language": "de"}).json()["results"]  # fmt: skip
    assert [one["data-id"] for one in balanced] == [one["id"] for one in searched]
    assert all(one["reason"] in page.text for one in searched)
    assert page.all("input", name="balance")[0]["value"] == "1"
    assert "selected" in page.all("option", value="de")[0]
    places = re.findall(r"(raw|balanced) place (\d+|after 100)", page.text)
    assert len(places) == 20


def test_one_list_of_some_languages(client):
    _, page = read(client, q="pool 17", view="one", l=["th", "ar"], k="20")
    assert len(page.all("li", **{"class": "result"})) == 20
    texts = page.all("p", **{"class": "text"})
    assert {(one["lang"], one["dir"]) for one in texts} == {("ar", "rtl"), ("th", "auto")}
    chosen = {one["value"] for one in page.all("input", name="l") if "checked" in one}
    assert chosen == {"th", "ar"}


def test_the_pages_of_a_list_follow_each_other(client):
    seen = []
    address = "/?q=pool&view=one&k=50"
    while address:
        page = Elements(client.get(address).text)
        seen += [one["data-id"] for one in page.all("li", **{"class": "result"})]
        following = page.all("a", rel="next")
        address = following[0]["href"] if following else ""
    assert len(seen) == len(set(seen)) == 154


def test_texts_are_only_ever_texts(client):
    answer, page = read(client, q="attack 99 <i>'\"&", k="10")
    assert "<script>window" not in answer.text
    assert page.all("input", id="q")[0]["value"] == "attack 99 <i>'\"&"
    assert "<script>window.hacked=1</script>" in page.text  # as text
    assert not {"img", "i", "b"} & {tag for tag, _ in page.found}
    assert {own["src"].partition("?")[0] for own in page.all("script")} == {"/page.js"}
    assert not {"\x1b", "\u202e"} & set(page.text)
    assert "\\u202eevil" in page.text
    found = [one["data-id"] for one in page.all("li", **{"class": "result"})]
    assert "\"><svg onload='window.hacked=1'>" in found


@pytest.mark.parametrize(
    "values",
    [
        {"q": "a", "balance": "7"},
        {"q": "a", "balance": "nan"},
        {"q": "a", "l": "<b>"},
        {"q": "a", "ql": "fi"},
        {"q": "a", "k": "0"},
        {"q": "a", "from": "-1"},
        {"q": "a", "from": "195"},
        {"q": "a", "view": "three"},
        {"q": "\x00"},
        {"q": "a" * 10_001},
    ],
)
def test_a_bad_value_is_a_sentence_on_the_page(client, values):
    answer, page = read(client, **values)
    assert answer.status_code in (400, 413)
    assert len(page.all("div", role="alert")) == 1
    assert page.all("input", id="q")[0]["value"] == values["q"].replace("\x00", "\\x00")
    assert "expected" in page.text
    assert page.all("form")


def test_style_and_script_are_kept_by_browsers_until_they_change(client):
    page = client.get("/").text
    for name, kind in (("page.css", "text/css"), ("page.js", "text/javascript")):
        address = re.search(rf'"(/{name}\?[0-9a-f]+)"', page)[1]
        answer = client.get(address)
        assert answer.headers["Content-Type"].startswith(kind)
        assert "immutable" in answer.headers["Cache-Control"]
        assert "{{" not in answer.text
        assert "://" not in answer.text
