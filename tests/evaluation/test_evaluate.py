import json
import subprocess
import sys

import numpy as np
import pytest

from evenrank.benchmarks.benchmark import Passage, Query, build_benchmark
from evenrank.comparison.compare import compare
from evenrank.encoding.base import build_encoder
from evenrank.encoding.fingerprint import model_fingerprint
from evenrank.encoding.loading import load_encoder
from evenrank.errors import ConfigError, DataError, EvenrankError, UnknownNameError
from evenrank.evaluation.encode import embed
from evenrank.evaluation.evaluate import evaluate, rank_embeddings
from evenrank.evaluation.score import score
from evenrank.files import lock_folder
from evenrank.results.folder import read_evaluation

MEASURES = ["AP", "R@1", "LPR", "W"]


@pytest.fixture(scope="module")
def written(benchmark, model_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "hybrid" / "numbers"
    return evaluate(model_folder, benchmark, output=folder, measures=MEASURES, write_run=True)


def test_the_figures_are_those_of_the_steps_taken_by_hand(written, benchmark, model_folder):
    embeddings = embed(load_encoder(str(model_folder)), benchmark)
    assert np.linalg.norm(embeddings.passages, axis=1) == pytest.approx(1)
    scores = score(benchmark, rank_embeddings(embeddings, benchmark), MEASURES)
    assert written.result.settings == scores.settings
    assert written.result.bias == scores.bias
    assert written.table("per_query").equals(scores.per_query)


def test_queries_and_passages_have_their_own_prompts(benchmark, model_folder):
    model = load_encoder(str(model_folder))
    embeddings = embed(model, benchmark, batch_size=7)
    queries = model.encode_query(benchmark.queries.texts.to_pylist(), normalize_embeddings=True)
    texts = benchmark.passages.texts.to_pylist()
    passages = model.encode_document(texts, normalize_embeddings=True)
    assert embeddings.queries == pytest.approx(queries, abs=1e-6)
    assert embeddings.passages == pytest.approx(passages, abs=1e-6)
    assert passages != pytest.approx(model.encode_query(texts, normalize_embeddings=True), abs=1e-3)


def test_the_same_model_gives_the_same_figures_again(written, benchmark, model_folder):
    again = evaluate(str(model_folder), benchmark, measures=MEASURES)
    changing = {"created", "timings"}
    assert again.result.model_dump(exclude=changing) == written.result.model_dump(exclude=changing)
    assert again.folder is None


def test_the_result_names_model_benchmark_and_software(written, benchmark, model_folder):
    result = written.result
    assert result.model.label == "hybrid"  # the run's folder, not the "model" inside of it
    assert result.model.path == str(model_folder)
    assert result.model.fingerprint == model_fingerprint(load_encoder(str(model_folder)))
    assert result.model.dimension == 16
    assert (result.model.query_prompt, result.model.passage_prompt) == ("Query: ", "Passage: ")
    assert result.model.training["strategy"] == "hybrid"
    assert result.benchmark.fingerprint == benchmark.fingerprint
    assert result.benchmark.languages == ["de", "en", "es", "th", "vi"]
    assert result.benchmark.queries == dict.fromkeys(["de", "en", "es", "th"], 10)
    assert result.benchmark.passages == dict.fromkeys(["de", "en", "es", "vi"], 10)
    assert set(result.timings) == {"encode", "rank", "score"}
    assert {"python", "evenrank", "torch"} <= set(result.versions)
    assert result.config == {"measures": [*MEASURES, "share@10"], "batch_size": 64, "top_k": 100}
    assert len(result.examples) == 6


def test_what_is_written_reads_back(written):
    again = read_evaluation(written.folder)
    assert again.result == written.result
    for name, table in written.in_memory.items():
        assert again.table(name).equals(table), name
    files = {path.name for path in written.folder.iterdir()}
    tables = {"per_query.parquet", "top.parquet", "ranks.parquet"}
    assert files == {".evenrank", "result.json", "run.trec", "qrels.trec"} | tables


def test_the_ranks_table_contains_the_rank_in_each_pool(written, benchmark):
    ranks = written.table("ranks").to_pandas()
    assert len(ranks) == len(benchmark.relevance.passages)
    grouped = ranks[ranks["lang"] == "en"].groupby("query_id")
    frame = written.per_query[written.per_query["relevant"] > 0].set_index("query_id")
    single = frame[frame["pool"] == "en"]
    assert (grouped["rank_in_language"].min() == 1 / single["AP"]).all()  # one answer in English
    multi = frame[frame["pool"] == "multi"]
    precisions = ranks.sort_values("rank").groupby("query_id")["rank"]
    again = precisions.agg(lambda found: np.mean(np.arange(1, len(found) + 1) / found))
    assert multi["AP"].to_dict() == pytest.approx(again.to_dict())


def test_the_top_table_holds_the_best_passages_of_all_languages(written, benchmark):
    top = written.table("top").to_pandas()
    first = top[top["query_id"] == "de-q1"]
    assert first["rank"].tolist() == list(range(1, 41))
    assert (first["score"].diff().dropna() <= 0).all()
    assert set(first["passage_id"]) == set(benchmark.passages.ids.to_pylist())
    assert (first["passage_id"].str[:2] == first["lang"]).all()


def test_some_languages_are_a_benchmark_of_these_alone(benchmark, model_folder, tmp_path):
    """Spanish has a query without an answer, Thai no passages, Vietnamese no queries."""
    langs = ("es", "th", "vi")
    queries, passages = (
        [
            (id_, benchmark.languages[lang], text, place)
            for place, (id_, lang, text) in enumerate(
                zip(texts.ids.to_pylist(), texts.langs, texts.texts.to_pylist(), strict=True)
            )
            if benchmark.languages[lang] in langs
        ]
        for texts in (benchmark.queries, benchmark.passages)
    )
    ids = benchmark.passages.ids.to_pylist()
    pairs = zip(benchmark.relevance.query_of, benchmark.relevance.passages, strict=True)
    relevant = {
        (benchmark.queries.ids[int(query)].as_py(), ids[passage]) for query, passage in pairs
    }
    kept = {id_ for id_, *_ in queries}, {id_ for id_, *_ in passages}
    alone = build_benchmark(
        benchmark.name,
        benchmark.card,
        [Query(id_, str(benchmark.parallel[at]), lang, text) for id_, lang, text, at in queries],
        [Passage(id_, lang, text) for id_, lang, text, _ in passages],
        sorted((q, p) for q, p in relevant if q in kept[0] and p in kept[1]),
    )
    expected = evaluate(model_folder, alone)
    found = evaluate(
        model_folder, benchmark, languages="vi,spa,th", output=tmp_path / "out", write_run=True
    )
    assert found.result.benchmark == expected.result.benchmark
    assert found.result.config["languages"] == ["es", "th", "vi"]
    for name in ("settings", "bias", "pairs", "pool", "scored", "share"):
        assert getattr(found.result, name) == getattr(expected.result, name)
    with pytest.raises(ConfigError, match=r"nothing in fr, expected some of de, en, es, th, vi"):
        evaluate(model_folder, benchmark, languages=["de", "fr"])
    with pytest.raises(ConfigError, match=r"no query in vi, expected at least one query"):
        evaluate(model_folder, benchmark, languages="vi")
    whole = evaluate(model_folder, benchmark, output=tmp_path / "whole").result
    assert "languages" not in whole.config
    with pytest.raises(ConfigError, match="as the first"):
        compare([tmp_path / "out", tmp_path / "whole"])


def test_pandas_views(written):
    result = written.result
    assert written.settings.loc["AP", "cross"] == result.settings["cross"]["AP"]
    assert written.bias["W"] == result.bias["W"]
    assert written.pairs("AP").loc["de", "en"] == result.pairs["AP"]["de"]["en"]
    assert written.pool.loc["es", "R@1"] == result.pool["R@1"]["es"]
    assert np.isnan(written.pool.loc["th", "LPR"])
    assert set(written.per_query["pool"]) == {"de", "en", "es", "vi", "multi"}
    with pytest.raises(ConfigError, match=r"nDCG@10.*one of AP, R@1"):
        written.pairs("nDCG@10")


def test_an_encoder_in_memory_needs_no_folder(benchmark, model_folder):
    model = load_encoder(str(model_folder))
    result = evaluate(model, benchmark, measures=["AP", "share@60"], label="mine").result
    assert (result.model.label, result.model.path, result.model.training) == ("mine", "", None)
    assert result.share.cutoff == 60


def test_a_device_gives_the_figures_of_threads_and_is_named(written, benchmark, model_folder):
    result = evaluate(model_folder, benchmark, measures=MEASURES, rank_device="cpu").result
    assert (result.settings, result.bias) == (written.result.settings, written.result.bias)
    assert result.config["rank_device"] == "cpu"
    assert "rank_device" not in written.result.config


def test_an_existing_result_is_refused_and_kept(written, benchmark, model_folder):
    before = (written.folder / "result.json").read_bytes()
    with pytest.raises(ConfigError, match="--overwrite"):
        evaluate("no such model", benchmark, output=written.folder)
    assert (written.folder / "result.json").read_bytes() == before


def test_an_existing_result_is_replaced_where_that_is_asked_for(benchmark, model_folder, tmp_path):
    for measure in ("AP", "RR"):
        evaluate(model_folder, benchmark, output=tmp_path / "r", measures=[measure], overwrite=True)
    assert set(read_evaluation(tmp_path / "r").result.pairs) == {"RR"}


def test_bad_input_is_refused_before_any_text_is_encoded(benchmark, model_folder, tmp_path):
    with pytest.raises(UnknownNameError, match="unknown measure"):
        evaluate("no such model", benchmark, measures=["MAP"])
    with pytest.raises(UnknownNameError, match="unknown benchmark"):
        evaluate("no such model", "xquad")
    with pytest.raises(ConfigError, match="ranking device: found gpux"):
        evaluate("no such model", benchmark, rank_device="gpux")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"neither modules\.json nor config\.json"):
        evaluate(tmp_path / "empty", benchmark, output=tmp_path / "result")
    assert not (tmp_path / "result").exists()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"output": "model/result"}, ConfigError, "inside of an input"),
        ({"output": "corpus", "overwrite": True}, ConfigError, "corpus: found a folder"),
        ({"output": "result", "overwrite": True, "store": "result/store"}, ConfigError, "contains"),
        ({"output": "file/result"}, EvenrankError, "file"),
        ({"output": "new", "store": "file"}, EvenrankError, "file"),
        ({"output": "new", "store": "file/store"}, EvenrankError, "file"),
        ({"output": "busy"}, ConfigError, "busy: found another run that writes to it"),
    ],
)
def test_what_would_fail_last_is_refused_first(place, options, error, message):
    """Before the model is loaded, which is no model at all."""
    (place / "file").touch()
    evaluate("model", "corpus:corpus", output="result", measures=["AP"])
    (place / "result" / "store").mkdir()
    (place / "model" / "modules.json").unlink()
    kept = sorted(place.rglob("*"))
    with lock_folder("busy"), pytest.raises(error, match=message):
        evaluate("model", "corpus:corpus", **options)
    assert sorted(place.rglob("*")) == kept


def test_damaged_training_facts_are_refused(benchmark, model_folder, tmp_path):
    load_encoder(str(model_folder)).save_pretrained(str(tmp_path / "m"))
    (tmp_path / "m" / "evenrank.json").write_text("[1]")
    with pytest.raises(DataError, match=r"evenrank\.json.*list"):
        evaluate(tmp_path / "m", benchmark)
    (tmp_path / "m" / "evenrank.json").write_text("{")
    with pytest.raises(DataError, match=r"evenrank\.json.*remove it"):
        evaluate(tmp_path / "m", benchmark)


@pytest.mark.parametrize("name", ["per_query", "top", "ranks"])
def test_a_damaged_table_is_refused(benchmark, model_folder, tmp_path, name):
    folder = tmp_path / "result"
    evaluate(model_folder, benchmark, output=folder, measures=["AP"])
    (folder / f"{name}.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=rf"{name}\.parquet"):
        read_evaluation(folder)
    (folder / f"{name}.parquet").unlink()
    with pytest.raises(DataError, match=rf"{name}\.parquet"):
        read_evaluation(folder)


def test_a_store_gives_the_same_figures_without_encoding_again(
    written, benchmark, model_folder, tmp_path
):
    first, again = (
        evaluate(model_folder, benchmark, measures=MEASURES, store=tmp_path) for _ in range(2)
    )
    assert first.result.settings == again.result.settings == written.result.settings
    assert first.result.config["precision"] == "float32"
    parts = sorted(path.parent.name for path in tmp_path.rglob("*.safetensors"))
    assert parts == ["passage-float32", "query-float32"]  # the second pass added none


def test_a_store_of_half_precision_says_so(written, benchmark, model_folder, tmp_path):
    half = evaluate(model_folder, benchmark, measures=MEASURES, store=tmp_path, precision="float16")
    assert half.result.config["precision"] == "float16"
    assert half.result.settings["mono"]["AP"] == pytest.approx(
        written.result.settings["mono"]["AP"], abs=0.02
    )


TOGETHER = """
import json, os
from pathlib import Path
import torch.distributed as dist
import evenrank
from evenrank.encoding import encode as encoding
from evenrank.encoding.sentence_transformers import SentenceTransformerModel

counted, encode = [], SentenceTransformerModel.encode

def count(self, texts, kind, batch_size=64):
    if batch_size == 1:  # not a probe of check_encoder
        counted.append(len(texts))
    return encode(self, texts, kind, batch_size)

SentenceTransformerModel.encode = count

def evaluate(name, store=None):
    counted.clear()
    done = evenrank.evaluate(
        "model", "corpus:corpus", output=Path(name), batch_size=1, store=store, write_run=True
    )
    facts = {"encoded": sum(counted), "result": done.result.model_dump(mode="json")}
    Path(f"{name}-{os.environ['RANK']}.json").write_text(json.dumps(facts))
    assert done.per_query.shape[0] and done.folder == Path(name)

evaluate("plain")
encoding.IN_MEMORY = 0  # passages stay on the disk
evaluate("stored", Path("store"))
number = os.environ["RANK"]
if number == "1":
    (path,) = Path("store").glob("*/passage-float32/*.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
try:
    evaluate("damaged", Path("store"))
except evenrank.EvenrankError as error:
    Path(f"damaged-{number}.txt").write_text(f"{type(error).__name__} {error}")
assert not dist.is_initialized()
dist.init_process_group("gloo")
evaluate("joined")
if dist.get_rank() == 1:
    evenrank.evaluate("model", "corpus:corpus", output=Path("lonely"), shared=False)
assert dist.is_initialized()
dist.destroy_process_group()
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with a model and a corpus that makes several units of work."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus").mkdir()
    for lang, words in (("de", "und weiter "), ("en", "and so on ")):
        rows = [
            {"id": f"{at}", "passage_id": f"p{at}", "query": f"{lang} {at}?", "passage": words * at}
            for at in range(1, 16)
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / "corpus" / f"{lang}.jsonl").write_text(lines)
    sizes = {"width": 16, "heads": 2, "layers": 1, "inner_width": 32, "vocabulary": 600}
    build_encoder("scratch", ["und weiter and so on de en"], sizes).save_pretrained("model")
    return tmp_path


@pytest.mark.slow
def test_two_processes_give_the_files_of_one(place):
    (place / "script.py").write_text(TOGETHER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "script.py"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Encoding passages of corpus:") == 5  # of one process each time
    for name in ("plain", "stored", "joined"):
        store = place / "own" if name == "stored" else None
        alone = evaluate(
            "model", "corpus:corpus", output=place / "one", batch_size=1, store=store,
            write_run=True, overwrite=True,
        )  # fmt: skip
        for file in ("per_query.parquet", "top.parquet", "ranks.parquet", "run.trec"):
            assert (place / name / file).read_bytes() == (place / "one" / file).read_bytes(), file
        facts = [json.loads((place / f"{name}-{rank}.json").read_text()) for rank in range(2)]
        assert facts[0]["result"] == facts[1]["result"]
        assert facts[0]["result"] == json.loads((place / name / "result.json").read_bytes())
        changing = {"created", "timings"}
        expected = alone.result.model_dump(mode="json", exclude=changing)
        assert {key: facts[0]["result"][key] for key in expected} == expected
        counts = [one["encoded"] for one in facts]
        assert sum(counts) == 60
        assert name == "stored" or min(counts) > 20  # so few passages are one piece of a store
    damage = [(place / f"damaged-{rank}.txt").read_text() for rank in range(2)]
    assert damage[0].startswith("DataError store/")
    assert damage[0] == damage[1]
    assert not (place / "damaged").exists()
    assert (place / "lonely" / "result.json").exists()
