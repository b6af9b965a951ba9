"""The page in a real Chromium, if there is one: script, dial, layout, attacks, keyboard."""

from __future__ import annotations

import shutil

import pytest

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
PHONE, DESKTOP = (390, 844), (1280, 900)


@pytest.fixture(scope="module")
def browser(served, tmp_path_factory):
    """One browser for all tests of this file."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no chromium with its driver on this machine")
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = chromium
    profile = tmp_path_factory.mktemp("profile")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     f"--user-data-dir={profile}"):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    try:
        opened = Chrome(options=options, service=Service(driver))
    except WebDriverException as error:
        pytest.skip(f"chromium does not start on this machine: {error.msg}")
    opened.set_page_load_timeout(60)
    yield opened
    opened.quit()


@pytest.fixture
def show(browser, served):
    """A function that opens an address at a size."""

    def opened(path, size=DESKTOP, scheme="light", *, script=True):
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not script})
        browser.get(served[1] + path)
        return browser

    yield opened
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    faults = [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    assert not faults


def ids(page, column):
    script = (
        "return [...document.querySelectorAll(`.${arguments[0]} .result`)].map(r => r.dataset.id)"
    )
    return page.execute_script(script, column)


def wait(page, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(page, 30, poll_frequency=0.02).until(lambda _: condition())


def test_the_dial_changes_the_balanced_list_only(show, client):
    page = show("/?q=pool+17&balance=0")
    raw = ids(page, "raw")
    assert ids(page, "balanced") == raw
    page.execute_script(
        "const dial = document.querySelector('#balance'); dial.value = 1;"
        "dial.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    wait(page, lambda: "balance=1" in page.current_url)
    body = {"query": "pool 17", "balance": 1}
    expected = [one["id"] for one in client.post("/search", json=body).json()["results"]]
    assert ids(page, "balanced") == expected
    assert ids(page, "raw") == raw
    assert page.execute_script("return document.querySelector('#dialled').textContent") == "1"
    said = page.execute_script("return document.querySelector('#status').textContent")
    assert said.startswith("Raw: ")
    assert "Balanced 1: " in said


def test_attacks_do_nothing(show):
    page = show("/?q=attack+99&view=one")
    assert "\"><svg onload='window.hacked=1'>" in ids(page, "balanced")
    page.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.execute_script(  # the same through the script of the page
        "document.querySelector('[name=collapse]').click()"
    )
    wait(page, lambda: "collapse" in page.current_url)
    assert page.execute_script("return window.hacked === undefined")
    assert (
        page.execute_script("return document.querySelectorAll('#results img, #results b').length")
        == 0
    )
    text = page.execute_script("return document.querySelector('#results').textContent")
    assert "<script>window.hacked=1</script>" in text
    page.execute_script(  # and what got in would not run
        "const s = document.createElement('script'); s.textContent = 'window.hacked = 1';"
        "document.body.append(s)"
    )
    assert page.execute_script("return window.hacked === undefined")
    assert any("Content Security Policy" in line["message"] for line in page.get_log("browser"))


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_each_script_has_its_side_and_nothing_is_cut_off(show, size):
    page = show("/?q=NATO+17&l=ar&l=de", size)
    sides = page.execute_script(
        """return [...document.querySelectorAll(".balanced p.text")].map((text) => {
          const letters = document.createRange();
          letters.selectNodeContents(text);
          const [around, inside] = [text, letters].map((one) => one.getBoundingClientRect());
          const flush = getComputedStyle(text).direction === "rtl"
            ? around.right - inside.right : inside.left - around.left;
          return [text.lang, getComputedStyle(text).direction, flush < 2];
        })"""
    )
    assert {tuple(side) for side in sides} == {("ar", "rtl", True), ("de", "ltr", True)}
    widths = "return [document.documentElement.scrollWidth, innerWidth]"
    needed, width = page.execute_script(widths)
    assert needed <= width == size[0]
    page.execute_script("document.querySelector('#q').value = 'متى يفتح المسبح؟'")
    assert page.execute_script("return getComputedStyle(q).direction") == "rtl"


def test_marks_stay_in_their_own_result(show):
    page = show("/?q=marks+98&view=one")
    overflow = page.execute_script(
        "return getComputedStyle(document.querySelector('[data-id=marks] .text')).overflowY"
    )
    assert overflow == "clip"
    height = "return document.querySelector('[data-id=marks]').getBoundingClientRect().height"
    assert page.execute_script(height) < 400


def test_everything_can_be_done_with_the_keyboard(show):
    from selenium.webdriver import ActionChains, Keys

    page = show("/")
    focused = "return document.activeElement.name || document.activeElement.className"
    page.execute_script("document.activeElement.blur()")
    ActionChains(page).send_keys("/").perform()
    assert page.execute_script(focused) == "q"
    ActionChains(page).send_keys("pool 17", Keys.ENTER).perform()
    wait(page, lambda: len(ids(page, "raw")) == 10)
    ActionChains(page).send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER).perform()
    opened = "return document.querySelector('details[open]').closest('.result').id"
    assert page.execute_script(opened) == "raw-2"
    twin = "return [...document.querySelectorAll('.twin')].map(r => r.dataset.id)"
    assert set(page.execute_script(twin)) == {ids(page, "raw")[1]}
    page.back()
    wait(page, lambda: not ids(page, "raw"))


def test_without_javascript_the_form_searches(show):
    from selenium.webdriver.common.by import By

    page = show("/", script=False)
    page.find_element(By.ID, "q").send_keys("pool 17")
    page.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    wait(page, lambda: "q=pool+17" in page.current_url)
    assert len(page.find_elements(By.CSS_SELECTOR, ".result")) == 20


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read(show, scheme):
    """Contrast of WCAG AA, 4.5 : 1, for the tags of languages and for small texts."""
    page = show("/?q=pool+17", scheme=scheme)
    colours = page.execute_script(
        """const rgb = (text) => {
          const [, r, g, b] = text.match(/([\\d.]+), ([\\d.]+), ([\\d.]+)/).map(Number);
          return [r, g, b].map((part) => {
            const share = part / 255;
            return share <= .04045 ? share / 12.92 : ((share + .055) / 1.055) ** 2.4;
          }).reduce((sum, part, at) => sum + part * [.2126, .7152, .0722][at], 0);
        };
        const pair = (element, behind) =>
          [rgb(getComputedStyle(element).color), rgb(getComputedStyle(behind).backgroundColor)];
        const tags = [...Array(12).keys()].map((hue) => {
          const tag = document.querySelector(".tag").cloneNode();
          tag.className = `tag hue-${hue}`;
          document.querySelector(".meta").append(tag);
          return pair(tag, tag);
        });
        const card = document.querySelector(".result");
        return [...tags, ...[".why", ".text"].map((name) => pair(card.querySelector(name), card)),
          pair(document.querySelector(".summary"), document.body)];"""
    )
    ratios = [(max(pair) + 0.05) / (min(pair) + 0.05) for pair in colours]
    assert len(ratios) == 15
    assert min(ratios) >= 4.5
