import numpy as np
import pyarrow as pa
import pytest

from evenrank.comparison.reading import has_blocks, read_systems
from evenrank.errors import ConfigError, DataError


def replaced(name, column):
    """A function that puts a column of a table in place of the one it has."""

    def edit(table):
        found = column(table[name].to_pylist())
        return table.set_column(table.column_names.index(name), name, pa.array(found))

    return edit


def test_values_stand_at_their_query_and_pool(folders, asked, values):
    grid, systems = read_systems(folders)
    assert [system.label for system in systems] == ["before", "after"]
    for system, expected in zip(systems, values, strict=True):
        np.testing.assert_array_equal(system.values["AP"], expected)
    assert [grid.languages[lang] for lang in grid.query_langs] == [lang for _, lang in asked]
    questions = [question for question, _ in asked]
    assert grid.blocks.tolist() == questions


def test_a_file_in_the_folder_names_the_folder(folders):
    _, (system,) = read_systems([folders[0] / "result.json"])
    assert system.folder == folders[0]


def test_no_two_systems_share_a_label(folders, write, asked, values):
    other = write("before (2)", asked, values[0])
    _, systems = read_systems([folders[0], other, folders[0], folders[0], folders[1]])
    labels = [system.label for system in systems]
    assert labels == ["before", "before (2)", "before (3)", "before (4)", "after"]


def test_another_benchmark_is_refused(folders, write, asked, values):
    other = write("other", asked, values[0], fingerprint="beef")
    with pytest.raises(ConfigError, match=r"other: found a result on made \[beef\].*\[f00d\]"):
        read_systems([*folders, other])


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda table: table.drop_columns(["parallel"]), "no column 'parallel'"),
        (lambda table: pa.concat_tables([table, table.slice(3, 1)]), "a query twice in one pool"),
        (replaced("query_lang", lambda column: ["xx", *column[1:]]), "a query_lang that is not"),
        (replaced("pool", lambda column: ["xx", *column[1:]]), "a pool"),
        (replaced("query_lang", lambda column: ["tr", *column[1:]]), "two languages"),
        (replaced("parallel", lambda column: [77, *column[1:]]), "of two questions"),
        (replaced("parallel", lambda column: [None, *column[1:]]), "a row without parallel"),
        (replaced("parallel", lambda column: [2**40, *column[1:]]), "2|overflow|bounds"),
        (replaced("AP", lambda column: [np.inf, *column[1:]]), "an infinite AP"),
    ],
)
def test_files_that_break_their_contract_are_refused(folders, write, asked, values, edit, message):
    bad = write("bad", asked, values[0], edit)
    with pytest.raises(DataError, match=rf"bad.per_query\.parquet: found .*({message}).*again"):
        read_systems([folders[0], bad])


def test_results_that_disagree_about_a_question_are_refused(folders, write, asked, values):
    other = replaced("parallel", lambda column: [7 - question for question in column])
    with pytest.raises(DataError, match="of two questions"):
        read_systems([folders[0], write("other", asked, values[0], other)])


def test_a_damaged_file_is_refused(folders):
    (folders[1] / "per_query.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DataError, match=r"after.per_query\.parquet"):
        read_systems(folders)
    assert not has_blocks(folders[1])


def test_results_of_the_first_version_are_known(folders, write, asked, values):
    old = write("old", asked, values[0], lambda table: table.drop_columns(["parallel"]))
    assert [has_blocks(folder) for folder in (folders[0], old)] == [True, False]
