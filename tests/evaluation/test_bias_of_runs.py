"""Every bias measure of a run, against its definition in plain loops over the run's lines."""

from math import inf, log2, nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import friedmanchisquare, kruskal, spearmanr

from evenrank.benchmarks.benchmark import Card, Passage, Query, build_benchmark
from evenrank.errors import ConfigError
from evenrank.evaluation.evaluate_run import evaluate_run

LANGS = ("de", "en", "th", "vi")


class Case:
    """A benchmark and a run, as dictionaries.

    Attributes:
        asked: Query to (question, language).
        written: Passage to language.
        relevant: Query to the set of its relevant passages.
        run: Query to passage to score; many scores are equal, and queries may be missing.
    """

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.langs = LANGS[: rng.integers(1, 5)]
        lang = lambda: str(rng.choice(self.langs))  # noqa: E731
        self.asked = {f"q{n}": (str(rng.integers(3)), lang()) for n in range(rng.integers(1, 8))}
        self.written = {f"p{n}": lang() for n in range(rng.integers(1, 16))}
        share = rng.choice([0.1, 0.4, 0.9])
        self.relevant = {q: {p for p in self.written if rng.random() < share} for q in self.asked}
        self.run = {}
        for query in self.asked:
            found = rng.permutation(sorted(self.written))[: rng.integers(0, len(self.written) + 1)]
            if len(found):
                self.run[query] = {str(p): float(rng.integers(4)) / 3 for p in found}
        self.run = self.run or {"q0": {"p0": 1.0}}
        self.orders = {q: self._order(q) for q in self.asked}
        self.depth = max(len(order) for order in self.orders.values())

    def _order(self, query):
        found = self.run.get(query, {})
        return sorted(sorted(found, reverse=True), key=lambda passage: -found[passage])

    def rank(self, query, passage):
        """The rank; what is not retrieved is behind the longest ranking, if the pool is longer."""
        order = self.orders[query]
        behind = min(self.depth + 1, len(self.written))
        return order.index(passage) + 1 if passage in order else behind

    def best(self, query):
        """The best rank in each language with a relevant passage; nothing if none is retrieved."""
        if not self.relevant[query] & set(self.orders[query]):
            return {}
        best = {}
        for passage in self.relevant[query]:
            lang = self.written[passage]
            best[lang] = min(best.get(lang, inf), self.rank(query, passage))
        return best

    def benchmark(self):
        return build_benchmark(
            "drawn",
            Card("", "", "", ""),
            [Query(q, question, lang, "") for q, (question, lang) in self.asked.items()],
            [Passage(p, lang, "") for p, lang in self.written.items()],
            [(q, p) for q, found in self.relevant.items() for p in found],
        )

    def write(self, path):
        path.write_text(
            "".join(
                f"{q} Q0 {p} 0 {score!r} drawn\n"
                for q, found in self.run.items()
                for p, score in found.items()
            )
        )
        return path


def rank_distance(case, query, _):
    best = case.best(query).values()
    return max(best) - min(best) if len(best) > 1 else nan


def language_preference(case, query, _):
    best, own = case.best(query), case.asked[query][1]
    return float(min(best, key=best.get) == own) if own in best and len(best) > 1 else nan


def max_rank(case, query, _):
    all_, size = case.relevant[query], len(case.written)
    if not case.best(query) or len(all_) == size:
        return nan
    last = max(case.rank(query, p) for p in all_)
    return (log2(size) - log2(last)) / (log2(size) - log2(len(all_)))


def complete(case, query, cutoff):
    near = {case.written[p] for p in case.relevant[query] if p in case.orders[query][:cutoff]}
    wanted = {case.written[p] for p in case.relevant[query]}
    return float(near == wanted) if len(wanted) > 1 else nan


def target_language_recall(case, query, cutoff):
    foreign = {p for p in case.relevant[query] if case.written[p] != case.asked[query][1]}
    return len(foreign & set(case.orders[query][:cutoff])) / len(foreign) if foreign else nan


def rank_correlation(case, query, cutoff):
    mine, values = case.orders[query][:cutoff], []
    for other, (question, _) in case.asked.items():
        theirs = case.orders[other][:cutoff]
        if other == query or question != case.asked[query][0] or not mine or not theirs:
            continue
        union = sorted({*mine, *theirs})
        ranks = [[row.index(p) if p in row else len(row) for p in union] for row in (mine, theirs)]
        values.append(spearmanr(*ranks).statistic if len(union) > 1 else 1.0)
    return np.mean(values) if values else nan


def equal_expected_rank(case, query, cutoff):
    near, groups = case.orders[query][:cutoff], {}
    for passage in case.relevant[query]:
        rank = near.index(passage) if passage in near else cutoff
        groups.setdefault(case.written[passage], []).append(rank)
    if len(groups) < 2 or max(map(len, groups.values())) < 2:
        return nan
    if not case.relevant[query] & set(near):
        return 1.0
    return kruskal(*groups.values()).pvalue


def ap_spread(case, lang):
    means = []
    for code in case.langs:
        values = []
        for query, (_, asked_in) in case.asked.items():
            wanted = {p for p in case.relevant[query] if case.written[p] == code}
            if asked_in != lang or not wanted:
                continue
            found, total = 0, 0.0
            for rank, passage in enumerate(case.orders[query], 1):
                if passage in wanted:
                    found += 1
                    total += found / rank
            values.append(total / len(wanted))
        if values:
            means.append(sum(values) / len(values))
    return max(means) - min(means) if len(means) > 1 else None


def kendall_w(case, lang):
    """Friedman's test where all languages are there, else Skillings and Mack's, by their sums."""
    judges = [case.best(q) for q, (_, asked_in) in case.asked.items() if asked_in == lang]
    judges = [best for best in judges if len(best) > 1]
    if len(judges) < 2:
        return None
    langs = sorted({code for best in judges for code in best})
    if len(langs) > 2 and all(len(best) == len(langs) for best in judges):
        chi2, _ = friedmanchisquare(*([best[code] for best in judges] for code in langs))
        return chi2 / (len(judges) * (len(langs) - 1))
    sums, covariance = dict.fromkeys(langs, 0.0), np.zeros((len(langs), len(langs)))
    for best in judges:
        count = len(best)
        placed = {}
        for code, rank in best.items():
            below = sum(other < rank for other in best.values())
            equal = sum(other == rank for other in best.values())
            placed[code] = sqrt(12 / (count + 1)) * (below + (equal + 1) / 2 - (count + 1) / 2)
        untied = sum(value**2 for value in placed.values()) / (count * (count - 1))
        for code, value in placed.items():
            sums[code] += value
            for other in placed:
                factor = count - 1 if other == code else -1
                covariance[langs.index(code), langs.index(other)] += factor * untied
    vector = np.array(list(sums.values()))
    statistic = vector @ np.linalg.pinv(covariance, rcond=1e-9) @ vector
    return statistic / sum(len(best) - 1 for best in judges)


def shares(case, lang, cutoff):
    rows = []
    for query, (_, asked_in) in case.asked.items():
        top = [case.written[p] for p in case.orders[query][:cutoff]]
        if asked_in == lang and top:
            rows.append({code: top.count(code) / len(top) for code in case.written.values()})
    return {code: np.mean([row[code] for row in rows]) for code in rows[0]} if rows else None


BY_QUERY = {
    "rank_distance": rank_distance,
    "LPR": language_preference,
    "MaxR_norm": max_rank,
    "Complete": complete,
    "TLR": target_language_recall,
    "MRC": rank_correlation,
    "PEER": equal_expected_rank,
}
BY_LANGUAGE = {"AP_spread": ap_spread, "W": kendall_w}


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_every_bias_measure_is_its_definition(tmp_path_factory, seed, data):
    case = Case(seed)
    cutoff = data.draw(st.integers(1, case.depth))
    with_cutoff = ("Complete", "TLR", "MRC", "PEER")
    names = {name: f"{name}@{cutoff}" if name in with_cutoff else name for name in BY_QUERY}
    expected = {
        name: {query: function(case, query, cutoff) for query in case.asked}
        for name, function in BY_QUERY.items()
    }
    path, benchmark = case.write(tmp_path_factory.getbasetemp() / "drawn.run"), case.benchmark()
    if np.isnan(list(expected["PEER"].values())).all():
        with pytest.raises(ConfigError, match="one relevant passage in each language"):
            evaluate_run(path, benchmark, measures=[names.pop("PEER")])
    measures = [*names.values(), *BY_LANGUAGE, f"share@{cutoff}"]
    found = evaluate_run(path, benchmark, measures=measures)
    multi = found.per_query[found.per_query["pool"] == "multi"].set_index("query_id")
    for name, column in names.items():
        values = multi[column].to_dict()
        assert values == pytest.approx(expected[name], abs=1e-9, nan_ok=True), column
    for lang in {asked_in for _, asked_in in case.asked.values()}:
        for name, function in BY_LANGUAGE.items():
            value = found.result.pool[name][lang]
            assert value == pytest.approx(function(case, lang), abs=1e-9), name
        share = shares(case, lang, cutoff)
        assert found.result.share.by_query_lang.get(lang) == pytest.approx(share, abs=1e-9)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), cutoff=st.integers(1, 6))
def test_an_answer_in_one_language_is_scored_as_in_a_run_without_the_other_answers(
    tmp_path_factory, seed, cutoff
):
    case = Case(seed)
    path = case.write(tmp_path_factory.getbasetemp() / "single.run")
    name = f"R@{cutoff}"
    rows = evaluate_run(path, case.benchmark(), measures=[name]).per_query
    found = rows.set_index(["query_id", "pool"])[f"single {name}"].dropna().to_dict()
    expected = {}
    for query, relevant in case.relevant.items():
        langs = {case.written[passage] for passage in relevant}
        for lang in langs if len(langs) > 1 else ():
            wanted = {passage for passage in relevant if case.written[passage] == lang}
            rest = [p for p in case.orders[query] if p in wanted or p not in relevant]
            expected[query, lang] = len(wanted & set(rest[:cutoff])) / len(wanted)
    assert found == pytest.approx(expected)
