from pathlib import Path

import pytest

from evenrank.encoding.base import ENCODERS
from evenrank.encoding.presets import presets

PAGE = (Path(__file__).parents[2] / "docs" / "encoders.md").read_text(encoding="utf-8")
ROWS = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("id_", sorted(presets()))
def test_the_page_has_every_preset_as_it_is(id_):
    row = next(row for row in ROWS if f"`{id_}`" in row[0])
    preset = presets()[id_]
    prompts = [prompt for prompt in (preset.query_prompt, preset.passage_prompt) if prompt]
    assert row[2].strip() == (", ".join(f"`{prompt}`" for prompt in prompts) or "none")
    assert preset.pooling is None or row[1].strip() == preset.pooling
    assert preset.max_length is None or row[3].strip() == str(preset.max_length)


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_the_page_has_every_setting_and_its_default(name):
    section = PAGE.split(f"### `{name}`")[1].split("\n### ")[0]
    rows = [line.split("|")[1:-1] for line in section.splitlines() if line.startswith("| `")]
    shown = {field.strip(" `"): row[1] for row in rows for field in row[0].split(",")}
    settings = ENCODERS.get(name).settings
    assert set(settings.model_fields) <= set(shown)
    for field, info in settings.model_fields.items():
        default = "none" if info.default == "" else str(info.default)
        expected = default.lower() if isinstance(info.default, bool) else default
        assert expected in shown[field]


def test_the_page_has_the_learning_rates():
    for name, text in (("static", "3e-2"), ("scratch", "5e-4")):
        assert ENCODERS.get(name).learning_rate == float(text)
        assert f"{text} for `{name}`" in PAGE
