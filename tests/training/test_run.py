"""Training with the real trainer: what it learns, what it writes, and what it refuses."""

from __future__ import annotations

import io
from contextlib import redirect_stderr

import numpy as np
import orjson
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import XLMRobertaModel
from transformers.utils import logging as transformers_logging

from evenrank.encoding.loading import load_encoder
from evenrank.errors import ConfigError, DataError, FileError, UnknownNameError
from evenrank.files import lock_folder
from evenrank.training.run import train

TRANSFORMER = {
    "encoder": "scratch",
    "encoder_settings": {"layers": 1, "width": 16, "heads": 2, "inner_width": 32},
}


def test_a_run_learns_and_writes_a_plain_model(config):
    run = train(config(steps=120, eval_every=60, dev_fraction=0.1, batch_size=16))
    losses = [entry["loss"] for entry in run.log if "loss" in entry]
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) / 2
    assert len([entry for entry in run.log if "dev" in entry]) == 2
    model = SentenceTransformer(str(run.model), local_files_only=True)
    query = model.encode_query(["en question number 6 about thing3?"])
    passages = model.encode_document([f"en passage tells of thing{n}." for n in range(20)])
    assert int(model.similarity(query, passages).argmax()) == 3


def test_the_run_folder_says_what_was_done(config):
    run = train(config(), alpha=0.25)
    facts = orjson.loads((run.folder / "run.json").read_bytes())
    assert facts["status"] == "finished"
    assert facts["strategy"] == "hybrid(0.25)"
    assert facts["config"]["alpha"] == 0.25
    assert facts["inputs"]["data"][0].startswith("corpus:train ")
    assert facts["inputs"]["dev"].startswith("corpus:dev ")
    assert facts["versions"]["sentence-transformers"]
    assert facts["last_step"] == 12
    dev = {entry["step"]: entry["dev"] for entry in run.log if "dev" in entry}
    assert facts["selected_step"] == min(dev, key=dev.get)
    saved = orjson.loads((run.model / "evenrank.json").read_bytes())
    assert saved["languages"] == ["de", "en", "fi"]
    assert saved["log"] == run.log
    assert sorted(path.name for path in run.folder.iterdir()) == [
        ".evenrank", "log.jsonl", "model", "run.json",
    ]  # fmt: skip


def test_settings_are_a_file_arguments_or_both(config, tmp_path, weights_of):
    settings = config(steps=2, dev_fraction=0)
    path = tmp_path / "config.yaml"
    path.write_text(settings.model_dump_json())
    runs = [
        train(settings),
        train(str(path), output=str(tmp_path / "from a file")),
        train(**settings.model_dump() | {"output": tmp_path / "from arguments"}),
        train(path, output=tmp_path / "other", seed=4),
    ]
    first, second, third, other = [weights_of(run.folder) for run in runs]
    assert first == second == third != other


def test_the_best_model_is_kept(config, weights_of):
    """Such a learning rate soon does harm; the run ends, and its first model is the result."""
    run = train(config(steps=60, eval_every=2, patience=2, learning_rate=2.0, warmup=0.5))
    dev = {entry["step"]: entry["dev"] for entry in run.log if "dev" in entry}
    best = min(dev, key=dev.get)
    assert max(dev) == best + 4 < 60
    shorter = train(
        config(steps=60, eval_every=best, patience=1, learning_rate=2.0, warmup=0.5),
        overwrite=True,
    )
    assert orjson.loads((shorter.folder / "run.json").read_bytes())["selected_step"] == best


def test_the_log_shows_the_measure_that_selects(config):
    run = train(config(select_by="mono AP", batch_size=6, patience=None))
    dev = {entry["step"]: entry["dev"] for entry in run.log if "dev" in entry}
    lines = [orjson.loads(line) for line in (run.folder / "log.jsonl").read_bytes().splitlines()]
    mono = {line["step"]: line["eval_dev_mono_AP"] for line in lines if "eval_dev_mono_AP" in line}
    assert dev == mono
    assert len(dev) == 3
    facts = orjson.loads((run.folder / "run.json").read_bytes())
    assert facts["selected_step"] == max(dev, key=dev.get)


def test_a_small_transformer_with_cached_loss_and_hard_negatives(config):
    run = train(config(**TRANSFORMER, mini_batch_size=4, negatives=2, steps=4))
    assert all(entry["loss"] > 0 for entry in run.log if "loss" in entry)


def test_prompts_lengths_and_trainer_arguments_reach_the_trainer(config):
    run = train(
        config(steps=3, trainer={"lr_scheduler_type": "constant", "max_grad_norm": "1e-3"}),
        query_prompt="Q: ", passage_prompt="P: ", max_length=9, learning_rate=1e-3, warmup=0,
    )  # fmt: skip
    model = SentenceTransformer(str(run.model), local_files_only=True)
    assert (model.prompts["query"], model.prompts["document"]) == ("Q: ", "P: ")
    lines = [orjson.loads(line) for line in (run.folder / "log.jsonl").read_bytes().splitlines()]
    rates = [line["learning_rate"] for line in lines if "learning_rate" in line]
    assert rates == [1e-3] * 3


def test_bfloat16_is_used_on_any_machine_that_is_asked_to(config):
    """Losses differ by the rounding of bfloat16, and no more."""
    sizes = TRANSFORMER["encoder_settings"] | {"dropout": 0}
    settings = TRANSFORMER | {"encoder_settings": sizes, "steps": 2, "dev_fraction": 0}
    exact, rounded = (
        train(config(**settings, trainer={"bf16": wanted}), overwrite=True).log[-1]["loss"]
        for wanted in (False, True)
    )
    assert 0 < abs(exact - rounded) < 0.02 * exact


def test_progress_shows_loss_and_speed(config, monkeypatch):
    shown = io.StringIO()
    with redirect_stderr(shown):
        train(config(steps=4))
    assert "Training: 4 steps in" in shown.getvalue()


def test_other_libraries_log_as_before(config):
    transformers_logging.set_verbosity_info()
    transformers_logging.enable_progress_bar()
    try:
        train(config(steps=2))
        with pytest.raises(ConfigError):
            train(config(steps=2, strategy="x-y", languages=["de"]), overwrite=True)
        assert transformers_logging.get_verbosity() == transformers_logging.INFO
        assert transformers_logging.is_progress_bar_enabled()
    finally:
        transformers_logging.set_verbosity_warning()


def test_a_run_that_diverges_stops_at_once(config):
    settings = config(**TRANSFORMER, learning_rate=1e38, warmup=0, trainer={"max_grad_norm": 0})
    with pytest.raises(ConfigError, match=r"step \d+: found a loss of nan"):
        train(settings)


def test_an_existing_run_is_refused_or_replaced(config):
    run = train(config(steps=2))
    with pytest.raises(ConfigError, match=r"a finished run.*--overwrite"):
        train(config(steps=2))
    (run.folder / "notes.txt").write_text("mine")
    train(config(steps=2), overwrite=True)
    assert (run.folder / "notes.txt").read_text() == "mine"
    with pytest.raises(ConfigError, match="Nothing is left to resume"):
        train(config(steps=2), resume=True)


@pytest.mark.parametrize("flags", [{}, {"overwrite": True}, {"resume": True}])
@pytest.mark.parametrize("name", ["thesis.txt", "run.json", "result.json"])
def test_a_folder_of_something_else_is_left_alone(config, tmp_path, flags, name):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / name).write_text('{"status": "finished"}')
    with pytest.raises(ConfigError, match="mine"):
        train(config(output=mine), **flags)
    assert [path.name for path in mine.iterdir()] == [name]


def test_an_output_that_overlaps_an_input_is_refused(config, corpus_folder, tmp_path):
    start = train(config(steps=2, output=tmp_path / "start")).model
    pretrained = {"encoder": str(start), "encoder_settings": {}}
    for output, changes in [
        (corpus_folder, {}),
        (corpus_folder / "runs" / "new", {}),
        (tmp_path, {}),
        (start, pretrained),
        (start.parent, pretrained),
        (start / "new", pretrained),
        (corpus_folder, {"corpora": ["world-facts:train"], "dev": str(corpus_folder)}),
        (corpus_folder, {"dev_benchmark": f"corpus:{corpus_folder}", "select_by": "multi AP"}),
    ]:
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(ConfigError, match=r"^output .*input"):
            train(config(output=output, **changes), overwrite=True)
        assert sorted(tmp_path.rglob("*")) == before


def test_a_second_run_into_one_folder_is_refused(config):
    settings = config(steps=2)
    with lock_folder(settings.output), pytest.raises(ConfigError, match="another run that writes"):
        train(settings)
    train(settings)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"batch_size": 30}, ConfigError, "distinct passages"),
        ({"languages": ["de"], "strategy": "x-y"}, ConfigError, "at least 2"),
        ({"alpha": 1.5}, ConfigError, "alpha: found 1.5"),
        ({"strategy": "hybird"}, UnknownNameError, "nearest is 'hybrid'"),
        ({"select_by": "multy AP"}, ConfigError, "select_by"),
        ({"select_by": "bias LPR"}, ConfigError, "LPR"),
        ({"select_by": "mono rank_distance"}, ConfigError, "Use 'bias rank_distance'"),
        ({"select_by": "multi ndgc@10"}, UnknownNameError, "nearest is 'nDCG'"),
        ({"select_by": "multi AP", "dev_fraction": 0}, ConfigError, "Set dev_benchmark or dev"),
        ({"dev_benchmark": "world-facts"}, ConfigError, "dev_benchmark: .* Set select_by"),
        ({"dev_fraction": 0.05}, ConfigError, "dev corpus .*: found 1 distinct passages"),
        ({"trainer": {"adam_beta": 1}}, UnknownNameError, "nearest is 'adam_beta"),
        ({"trainer": {"max_steps": 3}}, ConfigError, "'max_steps'.* Use steps instead"),
        ({"trainer": {"gradient_accumulation_steps": 2}}, ConfigError, "Use mini_batch_size"),
        ({"trainer": {"max_grad_norm": "much"}}, ConfigError, "trainer, max_grad_norm: .*'much'"),
        ({"trainer": {"lr_scheduler_type": "cosin"}}, ConfigError, "trainer: .*cosin"),
        ({"encoder": "no/such/folder", "encoder_settings": {}}, DataError, "no/such/folder"),
        ({"encoder_settings": {"widht": 16}}, UnknownNameError, "nearest is 'width'"),
        ({"corpora": ["nowhere"]}, DataError, "nowhere"),
        ({"negatives": 3}, ConfigError, "found 2 negatives"),
        ({"mini_batch_size": 4}, ConfigError, "mini_batch_size: found 4"),
    ],
)
def test_bad_settings_are_one_clear_error(config, changes, error, message):
    settings = config(**changes)
    with pytest.raises(error, match=message):
        train(settings)
    assert not settings.output.exists()


def test_an_output_that_cannot_be_written_is_refused_before_any_work(config, tmp_path):
    (tmp_path / "file").touch()
    for output in (tmp_path / "file" / "run", tmp_path / ("x" * 300)):
        with pytest.raises(FileError):
            train(config(output=output, encoder="no/such/folder", encoder_settings={}))
    with pytest.raises(ConfigError, match="a file"):
        train(config(output=tmp_path / "file"))
    assert (tmp_path / "file").stat().st_size == 0


def test_queries_and_passages_have_lengths_of_their_own(config):
    """Training counts the tokens of both; the saved model cuts its texts in the same way."""
    changes = {"query_max_length": 3, "passage_max_length": 7, "batch_size": 10}
    run = train(config(**TRANSFORMER, **changes, steps=1, dev_fraction=0))
    assert [entry["tokens"] for entry in map(orjson.loads, read_lines(run))][-1] == 10 * (3 + 7)
    model = load_encoder(run.model)
    for encode, equal in ((model.encode_query, True), (model.encode_document, False)):
        one, other = encode(["thing1 passage", "thing1 nothing"])
        assert np.allclose(one, other, atol=1e-6) == equal


def read_lines(run):
    return (run.folder / "log.jsonl").read_bytes().splitlines()


@pytest.mark.parametrize(
    "lora",
    [pytest.param({}, marks=pytest.mark.slow), {"rank": 2}],
    ids=["all weights", "lora"],
)
def test_gradient_checkpointing_changes_nothing_but_memory(config, lora, monkeypatch):
    """Layers are computed again in the backward pass, and the losses are the same."""
    calls, forward = [], torch.nn.functional.gelu
    monkeypatch.setattr(torch.nn.functional, "gelu", lambda x: calls.append(1) or forward(x))

    def losses(on):
        calls.clear()
        changes = {"lora": lora, "trainer": {"gradient_checkpointing": on}, "steps": 2}
        run = train(config(**TRANSFORMER, **changes, dev_fraction=0), overwrite=True)
        return [entry["loss"] for entry in run.log], len(calls)

    (plain, once), (again, more) = losses(False), losses(True)
    assert plain == pytest.approx(again, abs=1e-5)
    assert more > once > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"query_max_length": 8}, "query_max_length: found 8, expected no value, since"),
        (TRANSFORMER | {"passage_max_length": 9999}, "passage_max_length: found 9999, expected at"),
    ],
)
def test_lengths_that_the_encoder_cannot_have_are_refused(config, changes, message):
    with pytest.raises(ConfigError, match=message):
        train(config(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 12}, "batches of 12 pairs. Use mini_batch_size=3 "),
        ({"mini_batch_size": 1}, "batches of 8 pairs in parts of 1. Use a lower max_length"),
    ],
)
def test_a_device_out_of_memory_offers_a_smaller_part(config, monkeypatch, changes, message):
    forward = XLMRobertaModel.forward

    def refuse(self, *inputs, **settings):
        if self.training:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return forward(self, *inputs, **settings)

    monkeypatch.setattr(XLMRobertaModel, "forward", refuse)
    with pytest.raises(FileError, match=f"^training: out of memory with {message}"):
        train(config(**TRANSFORMER | changes, dev_fraction=0))
