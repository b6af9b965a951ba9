import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.comparison.compare import compare
from evenrank.comparison.gates import Gate, GateResult, parse_gate
from evenrank.errors import ConfigError, UnknownNameError
from evenrank.results.schema import SETTINGS

RUNS = {"permutations": 9, "resamples": 200}


@given(
    st.sampled_from(["AP", "nDCG@10", "R@1"]),
    st.sampled_from([*SETTINGS]),
    st.floats(-1, 1).map(lambda margin: float(f"{margin:g}")),
)
def test_gates_parse_as_they_print(measure, setting, margin):
    gate = Gate(measure, setting, margin)
    assert parse_gate(str(gate)) == gate
    assert parse_gate(f"  {measure}\t{setting}  {margin!r} ") == gate


WRONG = (
    *("", "AP", "AP mono", "AP mono -0.01 x", "AP all -0.01", "mono AP -0.01"),
    *("AP mono inf", "AP mono -1%", "AP mono nan", "AP mono -inf"),
)


@pytest.mark.parametrize("text", WRONG)
def test_other_forms_are_refused_with_an_example(text):
    with pytest.raises(ConfigError, match=r"--gate: .*'AP mono -0\.01'"):
        parse_gate(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("LPR multi -0.1", "no better direction"),
        ("W multi -0.1", "no value per query"),
        ("rank_distance mono -10", "found setting 'mono', expected multi"),
        ("rank_distance gap -10", "found setting 'gap', expected multi"),
    ],
)
def test_measures_that_cannot_be_gated_are_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_gate(text)


def test_unknown_measures_are_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="nearest is 'rank_distance'"):
        parse_gate("rank_distanc multi -10")


@pytest.mark.parametrize(
    ("least", "most", "verdict"),
    [
        (-0.05, -0.02, "failed"),
        (-0.05, -0.01, "undecided"),
        (-0.02, 0.01, "undecided"),
        (-0.01, 0.02, "passed"),
        (0.01, 0.02, "passed"),
    ],
)
def test_verdicts_follow_from_the_bounds(least, most, verdict):
    gate = parse_gate("AP mono -0.01")
    assert GateResult(gate, "x", (least + most) / 2, least, most).verdict == verdict


@pytest.mark.parametrize(("loss", "verdict"), [(0.2, "failed"), (0.0, "passed")])
def test_a_loss_fails_where_it_exceeds_what_is_allowed(
    folders, write, asked, values, loss, verdict
):
    noise = np.random.default_rng(1).normal(0, 0.01, size=values[0].shape)
    lower = write("lower", asked, values[0] - loss + noise)
    found = compare([folders[0], lower], gates=["AP mono -0.1", "AP multi -0.1"], **RUNS)
    assert [one.verdict for one in found.gate_results] == [verdict] * 2
    assert found.gate_results[0].gain == pytest.approx(-loss, abs=0.02)
    assert found.to_dict()["gates"][0]["verdict"] == verdict


def test_where_lower_is_better_a_rise_is_the_loss(folders, write, asked, values):
    def distance(table):
        return table.rename_columns(
            ["rank_distance" if n == "AP" else n for n in table.schema.names]
        )

    noise = np.random.default_rng(1).normal(0, 0.5, size=values[0].shape)
    near = write("near", asked, values[0], distance)
    far = write("far", asked, values[0] + 5 + noise, distance)
    (loss,) = compare([near, far], gates=["rank_distance multi -3"], **RUNS).gate_results
    (gain,) = compare([far, near], gates=["rank_distance multi -3"], **RUNS).gate_results
    assert (loss.verdict, gain.verdict) == ("failed", "passed")
    assert -6 < loss.at_least < loss.gain < loss.at_most < -4
    assert 4 < gain.at_least < gain.gain < gain.at_most < 6


def test_a_gates_measure_is_compared_whatever_else_is(folders):
    with pytest.raises(ConfigError, match=r"measure 'R@1': found no values per query"):
        compare(folders, gates=["R@1 mono -0.1"], **RUNS)
    assert compare(folders, gates=["AP mono -0.1"], measures=[], **RUNS).measures == ("AP",)
