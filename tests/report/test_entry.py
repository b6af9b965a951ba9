from evenrank.report.entry import one_per_label, read_entries


def test_a_model_keeps_its_number_on_every_benchmark(samples):
    entries = read_entries(samples)
    assert [entry.label for entry in entries] == ["x-x-mono", "x-y", "hybrid"] * 2
    assert [entry.number for entry in entries] == [0, 1, 2, 0, 1, 2]
    labels = [entry.label for entry in one_per_label(entries)]
    assert labels == ["x-x-mono", "x-y", "hybrid"]
