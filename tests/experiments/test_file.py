"""The file of an experiment: what its cells are, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from evenrank.errors import EvenrankError
from evenrank.experiments.cells import expand
from evenrank.experiments.experiment import Experiment
from evenrank.experiments.file import read_experiment

EXPERIMENTS = sorted((Path(__file__).parents[2] / "experiments").glob("*.yaml"))
HEAD = """\
base:
  encoder: static
  corpora: corpus
"""
TAIL = """
evaluate:
  benchmarks: [xquad-r]
"""


def cells_of(tmp_path, text):
    path = tmp_path / "grid.yaml"
    path.write_text(HEAD + text + TAIL, encoding="utf-8")
    return expand(*read_experiment(path))


def test_a_grid_is_all_combinations_of_variants_values_and_seeds(tmp_path):
    cells = cells_of(
        tmp_path,
        "variants: {mono: {strategy: x-x-mono}, cross: {strategy: x-y}}\n"
        "grid:\n  temperature: [0.05, 0.1]\n  languages: {two: [de, en], three: 'de,en,fi'}\n"
        "seeds: [3, 4]",
    )
    assert len(cells) == 16
    last = cells[-1]
    assert last.name == "cross temperature=0.1 languages=three, seed 4"
    assert last.config.strategy == "x-y"
    assert (last.config.temperature, last.config.seed) == (0.1, 4)
    assert last.config.languages == ["de", "en", "fi"]


def test_null_in_the_file_is_a_value(tmp_path):
    (cell,) = cells_of(tmp_path, "variants: {a: {patience: null}}")
    assert cell.config.patience is None


def test_a_start_ignores_settings_and_seeds_that_it_does_not_depend_on(tmp_path):
    text = (
        "variants: {as-is: {as_is: true}}\ngrid:\n  learning_rate: [0.1, 0.2]\n"
        "  encoder: {new: static, known: org/encoder}\nseeds: [0, 1]"
    )
    names = [cell.name for cell in cells_of(tmp_path, text)]
    assert names == ["as-is encoder=new, seed 0", "as-is encoder=new, seed 1",
                     "as-is encoder=known"]  # fmt: skip


def test_a_soup_averages_cells_of_one_seed_and_place_in_the_grid(tmp_path):
    cells = cells_of(
        tmp_path,
        "variants:\n  half: {soup: {of: [mono, cross], weight: 0.25}}\n  mono: {strategy: x-x-mono}"
        "\n  cross: {strategy: x-y}\ngrid: {temperature: [0.05, 0.1]}\nseeds: [0, 1]",
    )
    soups = [cell for cell in cells if cell.kind == "soup"]
    assert cells[-len(soups) :] == soups  # after their parts
    assert [cell.name for cell in soups] == [
        f"half temperature={value}, seed {seed}" for value in ("0.05", "0.1") for seed in (0, 1)
    ]
    for soup in soups:
        first, second = soup.parts
        assert (first.variant, second.variant, soup.soup.weight) == ("mono", "cross", 0.25)
        assert first.seed == second.seed == soup.seed
        assert first.config.temperature == second.config.temperature


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("variants: {a: {strateggy: x-y}}", 4, "the nearest is 'strategy'"),
        ("variants:\n  a: {steps: few}", 5, "steps: found 'few'"),
        ("grid:\n  stepz: [1, 2]", 5, "the nearest is 'steps'"),
        ("grid:\n  steps:\n  - 1\n  - few", 7, "steps: found 'few'"),
        ("grid:\n  steps: []", 5, "grid.steps: an empty list"),
        ("grid:\n  steps: [1, 1]", 5, "steps 1 again"),
        ("seeds: []", 4, "seeds: an empty list"),
        ("seeds: [1, 1]", 4, "equal cells"),
        ("seeds: [-1]", 4, "seeds.0: -1"),
        ("variants: {a: {alpha: 0.5},\n  b: {}}", 5, "equal cells: a, seed 0 and b, seed 0"),
        ("variants: {a: {seed: 1}}", 4, "setting 'seed'"),
        ("variants: {a/b: {}}", 4, "variants.a/b"),
        ("grids: {}", 4, "the nearest is 'grid'"),
        ("corrections:\n  c: {corpus: x, methd: center}", 5, "the nearest is 'method'"),
        ("corrections:\n  c:\n    corpus: x\n    only: [b]\nvariants: {a: {}}", 7,
         "unknown variant 'b'"),
        ("baseline: b\nvariants: {a: {}}", 4, "unknown variant 'b'"),
        ("variants:\n  a: {}\n  s: {soup: {of: [a, b]}}", 6, "unknown variant that a soup can"),
        ("variants:\n  a: {}\n  s: {soup: {of: [a]}}", 6, "a wrong soup"),
        ("variants:\n  a: {}\n  s: {soup: {of: [a, a], weight: 2}}", 6, "a wrong soup"),
        ("variants:\n  a: {}\n  s: {soup: {of: [a, a], weight: [0.2, 0.4]}}", 6,
         "no dev_benchmark that chooses"),
        ("variants:\n  a: {steps: 5}\ngrid: {steps: [1, 2]}", 5, "'steps' in the grid too"),
        ("variants: {a: {}, a: {}}", 4, "'a' again"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_with_file_and_line(tmp_path, text, line, message):
    with pytest.raises(EvenrankError) as caught:
        cells_of(tmp_path, text)
    assert message.lower() in str(caught.value).lower()
    assert f"grid.yaml:{line}" in str(caught.value)


@pytest.mark.parametrize(
    ("evaluate", "message"),
    [
        ("{benchmarks: []}", "evaluate.benchmarks: an empty list"),
        ("{benchmarks: [xquad-r], figures: [multi APP]}", "unknown measure 'APP'"),
        ("{benchmarks: [xquad-r, xquad-r]}", "shares a folder with another"),
    ],
)
def test_a_wrong_evaluation_is_refused(tmp_path, evaluate, message):
    path = tmp_path / "grid.yaml"
    path.write_text(f"{HEAD}evaluate: {evaluate}\n", encoding="utf-8")
    with pytest.raises(EvenrankError, match=message):
        Experiment(path)


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_of_the_repository_is_valid(path):
    experiment = Experiment(path)
    assert experiment.spec.title
    assert len({cell.name for cell in experiment.cells}) == len(experiment.cells) > 1


def test_the_repository_has_experiments():
    assert len(EXPERIMENTS) > 5
