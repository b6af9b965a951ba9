"""Errors: one line that says where, what, what instead, and what to do."""

from __future__ import annotations

import pickle

import pytest

from evenrank import errors
from evenrank.errors import ChecksumError, ConfigError, DataError, EvenrankError, UnknownNameError


def test_a_message_is_one_line_with_all_four_parts():
    error = DataError("de.jsonl:7", "a text\nover two lines", "a\tstring", "Fix\r\nit")
    assert str(error) == ("de.jsonl:7: found a text over two lines, expected a string. Fix it.")
    assert (error.place, error.expected) == ("de.jsonl:7", "a\tstring")


@pytest.mark.parametrize(
    "kind",
    [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, EvenrankError)],
)
def test_every_error_is_caught_as_one_family(kind):
    given = ("measure", "AQ", ["AP"]) if kind is UnknownNameError else ("a", "b", "c", "d")
    with pytest.raises(EvenrankError):
        raise kind(*given)


def test_the_tree_is_the_one_that_the_module_draws():
    assert issubclass(UnknownNameError, ConfigError)
    assert issubclass(ChecksumError, DataError)
    assert not issubclass(DataError, ConfigError)


def test_an_unknown_name_offers_the_nearest_and_lists_all():
    message = str(UnknownNameError("strategy", "hybird", ["x-y", "hybrid", "x-x"]))
    assert message == (
        "strategy: found unknown strategy 'hybird', expected one of hybrid, x-x, x-y. "
        "The nearest is 'hybrid'."
    )


def test_an_unknown_name_like_no_other_points_to_the_list():
    message = str(UnknownNameError("strategy", "qqqq", ["x-y"], place="train.yaml"))
    assert message.startswith("train.yaml: found unknown strategy 'qqqq'")
    assert message.endswith("'evenrank list' shows them.")


def test_an_unknown_name_where_nothing_is_registered_says_so():
    assert "nothing is registered" in str(UnknownNameError("strategy", "x", []))


def test_an_error_crosses_processes():
    error = DataError("place", "this", "that", "Fix it")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_errors_come_back_whole_from_another_process():
    error = UnknownNameError("measure", "ndgc", ["nDCG", "AP"])
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
