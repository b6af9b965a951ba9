"""Result folders as the evaluation writes them, from simulated retrievers on words of CLDR."""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from babel import Locale

from evenrank.benchmarks.benchmark import Benchmark, Card, Passage, Query, build_benchmark
from evenrank.evaluation.examples import build_examples
from evenrank.evaluation.score import score
from evenrank.evaluation.worst import build_worst
from evenrank.files import fingerprint_of, whole_folder
from evenrank.languages import normalise
from evenrank.ranking.ranks import Ranking
from evenrank.results.folder import read_result, write_result
from evenrank.results.frames import ranks_table, top_table
from evenrank.results.schema import RANKS, TOP, BenchmarkFacts, ModelFacts, Result

LANGUAGES = ("ar", "de", "en", "tr")
TERRITORIES = (
    *("AT", "BR", "CA", "CN", "DE", "EG", "ES", "FR", "GB", "GR", "IN"),
    *("IT", "JP", "KE", "MX", "NG", "PL", "RU", "TR", "US", "VN", "ZA"),
)


@dataclass(frozen=True)
class Retriever:
    """A simulated model: how far it prefers the query's language, and how well it understands."""

    label: str
    own_language: float
    own_answer: float
    foreign_answer: float
    seed: int


RETRIEVERS = (
    Retriever("x-x-mono", own_language=1.5, own_answer=3.6, foreign_answer=2.4, seed=1),
    Retriever("x-y", own_language=0.3, own_answer=3.3, foreign_answer=2.9, seed=2),
    Retriever("hybrid", own_language=0.4, own_answer=3.7, foreign_answer=3.1, seed=3),
)


def make_benchmark(name: str, languages=LANGUAGES, territories=TERRITORIES) -> Benchmark:
    """Queries for names of territories; the first one is not in the last language."""
    queries, passages, qrels = [], [], []
    for lang in languages:
        names = Locale.parse(lang).territories
        for place, code in enumerate(territories):
            if place == 0 and lang == languages[-1]:
                continue
            queries.append(Query(f"q-{code}-{lang}", code, lang, f"{names[code]}?"))
            passages.append(Passage(f"p-{code}-{lang}", lang, f"{names[code]} ({code}), 2024."))
            passages.append(Passage(f"d-{code}-{lang}", lang, f"{code}: {names[code][::-1]}"))
    answers = {query.parallel_id: [] for query in queries}
    for passage in passages:
        kind, code, _ = passage.id.split("-")
        if kind == "p":
            answers[code].append(passage.id)
    for query in queries:
        qrels += [(query.id, answer) for answer in answers[query.parallel_id]]
    card = Card(
        title=f"Territories ({name})",
        source="https://cldr.unicode.org",
        licence="Unicode-3.0",
        citation="Unicode CLDR",
    )
    return build_benchmark(name, card, queries, passages, qrels)


def simulate(benchmark: Benchmark, retriever: Retriever, top: int = 10) -> Ranking:
    """Rank by random scores to which relevance and the query's own language add."""
    rng = np.random.Generator(np.random.PCG64(retriever.seed))
    queries, passages = benchmark.queries, benchmark.passages
    same_QD = queries.langs[:, None] == passages.langs[None, :]
    ease_L = np.linspace(0.5, -0.5, len(benchmark.languages))
    scores_QD = rng.normal(size=same_QD.shape) + retriever.own_language * same_QD
    owner = np.repeat(np.arange(len(queries)), np.diff(benchmark.relevance.indptr))
    answer = benchmark.relevance.passages
    own = same_QD[owner, answer]
    scores_QD[owner, answer] += np.where(own, retriever.own_answer, retriever.foreign_answer)
    scores_QD[owner, answer] += ease_L[passages.langs[answer]] + ease_L[queries.langs[owner]]
    bounds = list(zip(benchmark.offsets[:-1], benchmark.offsets[1:], strict=True))
    above_PL = np.array(
        [
            [(scores_QD[q, start:end] > scores_QD[q, d]).sum() for start, end in bounds]
            for q, d in zip(owner, answer, strict=True)
        ]
    )
    best = np.argsort(-scores_QD, axis=1, kind="stable")[:, :top]
    return Ranking(
        above_in_language=above_PL[np.arange(len(answer)), passages.langs[answer]],
        above=above_PL.sum(axis=1),
        scores=scores_QD[owner, answer].astype(np.float32),
        top_passages=best.astype(np.int64),
        top_scores=np.take_along_axis(scores_QD, best, axis=1).astype(np.float32),
    )


def write_sample(folder: Path, benchmark: Benchmark, retriever: Retriever) -> Path:
    """Write the result folder of a simulated retriever."""
    ranking = simulate(benchmark, retriever)
    scores = score(benchmark, ranking)
    figures = {name: value for name, value in vars(scores).items() if name != "per_query"}
    card = {name: value for name, value in asdict(benchmark.card).items() if name != "note"}
    languages = list(benchmark.languages)
    counts = np.bincount(benchmark.queries.langs, minlength=len(languages)).tolist()
    sizes = np.diff(benchmark.offsets).tolist()
    pace = 50 * (1 + retriever.seed)
    log = [
        {"step": step, "loss": 4 / (1 + step / pace), "dev": 0.9 - 1 / (2 + step / pace)}
        for step in range(10, 401, 10)
    ]
    result = Result(
        created="2025-01-02T03:04:05Z",
        benchmark=BenchmarkFacts(
            name=benchmark.name,
            fingerprint=benchmark.fingerprint,
            languages=languages,
            queries=dict(zip(languages, counts, strict=True)),
            passages=dict(zip(languages, sizes, strict=True)),
            **card,
        ),
        model=ModelFacts(
            label=retriever.label,
            path=f"models/{retriever.label}",
            fingerprint=fingerprint_of(repr(retriever)),
            dimension=256,
            query_prompt="Query: ",
            passage_prompt="Passage: ",
            training={
                "strategy": retriever.label,
                "seed": retriever.seed,
                "languages": languages,
                "config": {"batch_size": 64, "temperature": 0.05},
                "log": log,
            },
        ),
        examples=build_examples(benchmark, ranking),
        versions={"evenrank": "0.1.0", "numpy": "2.0"},
        timings={"encode": 1.25, "rank": 0.5},
        config={"measures": ["AP"], "top_k": 10},
        worst=build_worst(benchmark, ranking),
        **figures,
    )
    with whole_folder(folder, marker="result") as part:
        tables = (scores.per_query, top_table(benchmark, ranking), ranks_table(benchmark, ranking))
        write_result(part, result, *tables)
    return folder


@pytest.fixture(scope="session")
def samples(tmp_path_factory) -> list[Path]:
    """Three models on two benchmarks of four languages: six result folders."""
    root = tmp_path_factory.mktemp("results")
    half = TERRITORIES[: len(TERRITORIES) // 2]
    benchmarks = [make_benchmark("territories"), make_benchmark("half", territories=half)]
    return [
        write_sample(root / benchmark.name / retriever.label, benchmark, retriever)
        for benchmark in benchmarks
        for retriever in RETRIEVERS
    ]


@pytest.fixture(scope="session")
def right_to_left(tmp_path_factory) -> Path:
    """A result in four languages that are written from right to left, and one that is not."""
    benchmark = make_benchmark("scripts", languages=("ar", "de", "fa", "he", "ur"))
    folder = tmp_path_factory.mktemp("scripts") / "result"
    return write_sample(folder, benchmark, RETRIEVERS[0])


def _texts_of(langs):
    """Return worst queries and an example, which name all languages."""

    def ranked(offset):
        return [
            {"lang": lang, "rank": 1 + offset + 100 * place, "text": f"A passage in {lang}. " * 20}
            for place, lang in enumerate(langs)
        ]

    worst = [
        {
            "query_id": f"q{number}",
            "lang": langs[number],
            "text": f"query {number}?",
            "rank_distance": 20_300,
            "answers": ranked(number),
            "first": {"lang": "fr", "text": "not it", "relevant": False},
        }
        for number in range(20)
    ]
    example = {
        "query_id": "e",
        "lang": "fr",
        "text": "exemple?",
        "answers": [],
        "relevant_ranks": {lang: 1 + place for place, lang in enumerate(langs)},
    }
    return worst, example


def _result_of(langs, quality_QP, share_QP, distances):
    """Return a result with these figures of each pair and query."""

    def by_pair(matrix):
        rows = [dict(zip(langs, row, strict=True)) for row in matrix.tolist()]
        return dict(zip(langs, rows, strict=True))

    worst, example = _texts_of(langs)
    sizes = dict.fromkeys(langs, 3)
    means = dict(zip(langs, distances.mean(axis=1).tolist(), strict=True))
    mean = {"AP": float(quality_QP.mean())}
    return Result.model_validate(
        {
            "created": "2025-01-02T03:04:05Z",
            "benchmark": {
                "name": "flores",
                "title": "FLORES",
                "source": "",
                "licence": "CC BY-SA",
                "citation": "",
                "fingerprint": "abc",
                "languages": langs,
                "queries": sizes,
                "passages": sizes,
            },
            "model": {
                "label": "e5",
                "path": "e5",
                "fingerprint": "def",
                "dimension": 384,
                "query_prompt": "",
                "passage_prompt": "",
            },
            "settings": {"mono": mean, "cross": mean, "multi": mean},
            "bias": {"rank_distance": float(distances.mean())},
            "pairs": {"AP": by_pair(quality_QP)},
            "pool": {"AP": dict.fromkeys(langs, 0.4), "rank_distance": means},
            "scored": sizes,
            "share": {
                "cutoff": 10,
                "by_query_lang": by_pair(share_QP),
                "passages": dict.fromkeys(langs, 1 / len(langs)),
            },
            "examples": [example],
            "worst": worst,
            "versions": {},
            "timings": {},
            "config": {},
        }
    )


@pytest.fixture(scope="session")
def flores(tmp_path_factory) -> Path:
    """A result in the 204 languages of FLORES-200 with random figures, written without ranking."""
    sets = tomllib.loads((Path(__file__).parents[1] / "language_sets.toml").read_text("utf-8"))
    langs = [normalise(code) for code in sets["flores-200"].split()]
    rng = np.random.default_rng(7)
    count = len(langs)
    quality_QP = rng.uniform(0.1, 0.6, (count, count)) + 0.3 * np.eye(count)
    share_QP = rng.dirichlet(np.ones(count), count)
    distances = rng.integers(200, 30_000, (count, 3))
    result = _result_of(langs, quality_QP, share_QP, distances)
    per_query = pa.table(
        {
            "query_id": [f"{lang}-{number}" for lang in langs for number in range(3)],
            "query_lang": np.repeat(langs, 3),
            "parallel": pa.array(np.tile(np.arange(3), count), pa.int32()),
            "pool": ["multi"] * 3 * count,
            "relevant": [count] * 3 * count,
            "AP": rng.uniform(size=3 * count),
            "rank_distance": distances.ravel().astype(float),
        }
    )
    folder = tmp_path_factory.mktemp("flores") / "e5"
    folder.mkdir()
    top, ranks = (pa.schema(columns).empty_table() for columns in (TOP, RANKS))
    write_result(folder, result, per_query, top, ranks)
    return folder


@pytest.fixture
def edited(tmp_path):
    """A function that copies a result folder with some parts of its ``result.json`` replaced."""

    def edit(folder: Path, name: str = "edited", **changes) -> Path:
        result = read_result(folder)
        for path, value in changes.items():
            field, _, inner = path.partition("__")
            if inner:
                value = getattr(result, field).model_copy(update={inner: value})
            result = result.model_copy(update={field: value})
        copy = tmp_path / name
        shutil.copytree(folder, copy)
        (copy / "result.json").write_text(result.model_dump_json(), encoding="utf-8")
        return copy

    return edit
