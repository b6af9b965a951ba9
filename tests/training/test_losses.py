"""Each loss against plain NumPy, in parts and as a whole, and with the real trainer."""

from __future__ import annotations

import numpy as np
import orjson
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MatryoshkaLoss,
    MultipleNegativesRankingLoss,
)

from evenrank.batching.plan import BatchPlan
from evenrank.batching.strategies import make_strategy
from evenrank.data.opening import open_corpus
from evenrank.encoding.base import build_encoder
from evenrank.encoding.loading import load_encoder
from evenrank.encoding.opening import open_model
from evenrank.errors import ConfigError, DataError, UnknownNameError
from evenrank.training import columns
from evenrank.training.losses.base import LOSSES, Scores
from evenrank.training.losses.contrastive import make_loss
from evenrank.training.losses.info_nce import group_info_nce
from evenrank.training.losses.teacher import Teacher
from evenrank.training.pairs import PairDataset
from evenrank.training.run import train

TEXTS = [f"{lang} text number {item} about thing{item // 2}" for item in range(24)
         for lang in ("de", "en")]  # fmt: skip


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def random_scores(queries=7, passages=12, seed=0):
    """Scores with one to three relevant passages, and queries with few of their language."""
    draw = np.random.default_rng(seed)
    relevant = np.arange(passages) % queries == np.arange(queries)[:, None]
    same = draw.random((queries, passages)) < 0.4
    same[0], same[1] = False, np.arange(passages) == 3
    scores = [draw.normal(size=(queries, passages)) * 5 for _ in range(3)]
    return scores, relevant, same


def as_scores(scores, relevant, same):
    model, parallel, start = (torch.tensor(one) for one in scores)
    return Scores(model, torch.tensor(relevant), torch.tensor(same), parallel, start)


@pytest.mark.parametrize("other_positives", [True, False])
def test_group_info_nce_is_its_formula(other_positives):
    (model, *rest), relevant, same = random_scores()
    expected = []
    for row, own in zip(model, relevant, strict=True):
        parts = []
        for p in np.flatnonzero(own):
            against = (
                np.exp(row).sum() if other_positives else np.exp(row[~own]).sum() + np.exp(row[p])
            )
            parts.append(-np.log(np.exp(row[p]) / against))
        expected.append(np.mean(parts))
    scores = as_scores((model, *rest), relevant, same)
    found = group_info_nce(scores, other_positives=other_positives)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_consistency_is_the_jensen_shannon_divergence():
    (model, parallel, start), relevant, same = random_scores()
    p, other = softmax(model), softmax(parallel)
    middle = (p + other) / 2
    expected = (p * np.log(p / middle) + other * np.log(other / middle)).sum(axis=1) / 2
    found = LOSSES.get("consistency").of(as_scores((model, parallel, start), relevant, same))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    equal = LOSSES.get("consistency").of(as_scores((model, model, start), relevant, same))
    np.testing.assert_allclose(equal, 0, atol=1e-12)


def test_self_distillation_teaches_the_parallel_query_alone():
    (model, parallel, start), relevant, same = random_scores()
    p, other = softmax(model), softmax(parallel)
    scores = as_scores((model, parallel, start), relevant, same)
    scores.model.requires_grad_()
    scores.parallel.requires_grad_()
    found = LOSSES.get("self-distillation").of(scores)
    expected = (p * np.log(p / other)).sum(axis=1)
    np.testing.assert_allclose(found.detach(), expected, rtol=1e-6)
    found.sum().backward()
    assert scores.model.grad is None
    np.testing.assert_allclose(scores.parallel.grad, other - p, atol=1e-9)


def test_keep_is_the_divergence_from_the_start_within_the_language():
    (model, parallel, start), relevant, same = random_scores()
    expected = []
    for row, before, inside in zip(model, start, same, strict=True):
        if not inside.any():
            expected.append(0)
            continue
        p, q = softmax(before[inside]), softmax(row[inside])
        expected.append((p * np.log(p / q)).sum())
    scores = as_scores((model, parallel, start), relevant, same)
    scores.model.requires_grad_()
    found = LOSSES.get("keep").of(scores)
    np.testing.assert_allclose(found.detach(), expected, rtol=1e-6, atol=1e-12)
    assert found[0] == found[1] == 0 < found[2]
    found.sum().backward()
    assert torch.isfinite(scores.model.grad).all()
    assert not scores.model.grad[~torch.tensor(same)].any()


def encoder(seed):
    sizes = {"layers": 1, "width": 16, "heads": 2, "inner_width": 32, "dropout": 0}
    return build_encoder("scratch", TEXTS, sizes | {"vocabulary": 600}, seed=seed)


@pytest.fixture(scope="module")
def model():
    return encoder(seed=0)


def column(number):
    """Return 12 texts, of 6 to 42 tokens in no order."""
    return [
        text + " and more" * (17 * place % 19)
        for place, text in enumerate(TEXTS[12 * number : 12 * number + 12])
    ]


def loss_and_gradients(
    model,
    config,
    *,
    k=1,
    columns=2,
    start=None,
    in_batch=None,
    mode=0,
    order=None,
    of=2,
    **settings,
):
    """Return loss and gradients of a batch of 12 pairs; ``start`` is the model before training.

    ``order`` has the numbers of the columns' texts, by default 0, 1, ...; the queries are in ``of``
    languages, further ones in 3.
    """
    settings = config(encoder="a-trained-one", encoder_settings={}, **settings)
    loss = make_loss(start or model, settings, 1, in_batch=in_batch)
    loss.model = model
    more = settings.queries_per_passage - 1
    labels = torch.tensor([[n // k, n % of, n % 3, n, mode] + [n % 3] * more for n in range(12)])
    return values_of(loss, model, labels, order or columns)


def values_of(loss, model, labels=None, columns=2):
    """Return a loss, its gradients, and how many tokens the model encoded, with padding."""
    tokens = []
    hook = model[0].register_forward_pre_hook(lambda _, given: tokens.append(given[0]["input_ids"]))
    model.train()
    model.zero_grad()
    numbers = range(columns) if isinstance(columns, int) else columns
    value = loss([model.preprocess(column(number)) for number in numbers], labels)
    value.backward()
    hook.remove()
    gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    return value.item(), gradients, sum(part.numel() for part in tokens)


def assert_close(gradients, expected):
    assert max(gradient.abs().max() for gradient in gradients) > 1e-3
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other, atol=4e-6, rtol=1e-4)


def test_several_widths_are_those_of_sentence_transformers(model, config):
    """The whole width is trained with weight 1 unless it has another one."""
    for widths, whole in (({4: 0.5, 8: 2.0}, 1), ({4: 0.5, 16: 3.0}, 3)):
        found, gradients, _ = loss_and_gradients(model, config, matryoshka=widths)
        shares = {16: whole} | widths
        inner = MultipleNegativesRankingLoss(model, scale=20)
        peer = MatryoshkaLoss(model, inner, list(shares), list(shares.values()))
        value, expected, _ = values_of(peer, model)
        assert found == pytest.approx(value, rel=1e-5)
        assert_close(gradients, expected)


@pytest.mark.parametrize("other_positives", [True, False])
@pytest.mark.parametrize("changes", [{}, {"columns": 4, "negatives": 2}], ids=["pairs", "more"])
@pytest.mark.parametrize("size", [None, 5])
def test_one_pair_per_item_is_the_loss_of_sentence_transformers_on_fewer_tokens(
    model, config, monkeypatch, other_positives, changes, size
):
    monkeypatch.setattr(columns, "TEXTS_AT_ONCE", 5)
    found, gradients, tokens = loss_and_gradients(
        model, config, other_positives=other_positives, mini_batch_size=size, **changes
    )
    peer = (
        MultipleNegativesRankingLoss(model, scale=20)
        if size is None
        else CachedMultipleNegativesRankingLoss(model, scale=20, mini_batch_size=size)
    )
    value, expected, padded = values_of(peer, model, columns=changes.get("columns", 2))
    assert found == pytest.approx(value, abs=1e-6)
    assert_close(gradients, expected)
    assert tokens < (0.7 if size is None else 0.92) * padded  # the peer trims its parts, too


@pytest.mark.parametrize(
    "changes",
    [
        {"k": 3},
        {"k": 2, "other_positives": False, "columns": 3, "negatives": 1},
        {"losses": {"consistency": 0.7, "keep": 2.0}, "columns": 4, "negatives": 1},
        {"losses": {"self-distillation": 2.0}, "columns": 3},
        {"queries_per_passage": 2, "columns": 4, "negatives": 1, "losses": {"keep": 2.0}},
        {"losses": {"consistency": 0.7, "keep": 2.0}, "columns": 3, "matryoshka": {8: 2, 4: 0.5}},
    ],
    ids=[
        "groups",
        "apart, with negatives",
        "all losses",
        "self-distillation",
        "several queries",
        "all losses, several widths",
    ],
)
def test_in_parts_the_loss_and_its_gradients_are_those_of_the_whole(model, config, changes):
    changes = changes | {"start": encoder(seed=1)}
    whole, gradients, _ = loss_and_gradients(model, config, **changes)
    parts, in_parts, _ = loss_and_gradients(model, config, mini_batch_size=5, **changes)
    assert parts == pytest.approx(whole, rel=1e-5)
    assert_close(in_parts, gradients)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"k": 3},
        {"negatives": 1},
        {"negatives": 1, "in_batch": [False]},
        {"mini_batch_size": 5},
    ],
    ids=["pairs", "groups", "negatives", "no in-batch negatives", "in parts"],
)
def test_several_queries_of_a_passage_have_the_mean_of_their_losses(model, config, changes):
    passages = [2, 3] if "negatives" in changes else [2]
    each = [
        loss_and_gradients(model, config, order=[query, *passages], **changes) for query in (0, 1)
    ]
    found, gradients, tokens = loss_and_gradients(
        model, config, order=[0, *passages, 1], queries_per_passage=2, **changes
    )
    assert found == pytest.approx(np.mean([value for value, _, _ in each]), rel=1e-5)
    assert_close(
        gradients, [(one + two) / 2 for one, two in zip(each[0][1], each[1][1], strict=True)]
    )
    assert tokens < sum(count for _, _, count in each)  # passages are encoded once


def test_further_queries_keep_the_scores_in_their_own_languages(model, config):
    """At first the start model is the model itself, so ``keep`` adds nothing."""
    settings = {"order": [0, 2, 1], "queries_per_passage": 2}
    plain, _, _ = loss_and_gradients(model, config, **settings)
    kept, _, _ = loss_and_gradients(model, config, losses={"keep": 3.0}, **settings)
    assert kept == pytest.approx(plain, abs=1e-5)
    given = {"losses": {"keep": 3.0}, "start": encoder(seed=1)}
    moved, _, _ = loss_and_gradients(model, config, **given, **settings)
    each = [
        loss_and_gradients(model, config, order=[query, 2], of=languages, **given)[0]
        for query, languages in ((0, 2), (1, 3))
    ]
    assert moved == pytest.approx(np.mean(each), rel=1e-5)
    assert moved > plain + 0.01


@pytest.mark.parametrize("parts", [{}, {"mini_batch_size": 5}])
def test_without_in_batch_negatives_a_pair_has_its_own_hard_negatives(model, config, parts):
    """The first mode has none: a softmax over three passages; the second is the plain loss."""
    settings = {"columns": 4, "negatives": 2, **parts}
    found, gradients, _ = loss_and_gradients(model, config, in_batch=[False, True], **settings)
    query, *passages = (
        model.encode(column(number), normalize_embeddings=True) for number in range(4)
    )
    scores = np.stack([(query * one).sum(axis=1) for one in passages], axis=1) / 0.05
    assert found == pytest.approx(-np.log(softmax(scores)[:, 0]).mean(), rel=1e-4)
    assert max(gradient.abs().max() for gradient in gradients) > 1e-3
    other, with_all = (
        loss_and_gradients(model, config, in_batch=modes, mode=1, **settings)[0]
        for modes in ([False, True], None)
    )
    assert other == pytest.approx(with_all, rel=1e-5)
    assert other > found + 0.5


def test_a_run_has_in_batch_negatives_in_the_modes_that_are_named(config):
    """At this temperature all scores are equal: the loss is the log of how many are compared."""
    settings = {"steps": 8, "dev_fraction": 0, "temperature": 1e6, "negatives": 1}
    run = train(config(**settings, strategy="hybrid", in_batch_negatives=["x-y"]))
    facts = orjson.loads((run.folder / "run.json").read_bytes())
    monolingual = round(8 * facts["shares"]["modes"]["x-x-mono"])
    assert 3 <= monolingual <= 5
    compared = sorted(round(float(np.exp(entry["loss"]))) for entry in run.log)
    assert compared == [2] * monolingual + [16] * (8 - monolingual)


@pytest.mark.slow
def test_without_the_rule_equal_passages_are_false_negatives(config):
    """All 40 queries in a batch: each has its passage twice, which costs log 2 at least."""
    settings = {"steps": 60, "dev_fraction": 0, "strategy": "x-x-mono", "batch_size": 40}
    with pytest.raises(ConfigError, match=r"20 distinct passages in de .* at least 40"):
        train(config(**settings))
    run = train(config(**settings, distinct_passages=False))
    last = np.mean([entry["loss"] for entry in run.log[-5:]])
    assert np.log(2) < last < np.log(2) + 0.4
    with_rule = train(config(**settings | {"batch_size": 20}), overwrite=True)
    assert np.mean([entry["loss"] for entry in with_rule.log[-5:]]) < 0.4


def queries_and_passages(run, lang="en", width=None):
    """Return the softmax of the scores of each query of a language over the English passages."""
    model = SentenceTransformer(str(run.model), local_files_only=True, truncate_dim=width)
    unit = {"normalize_embeddings": True}
    passages = model.encode([f"en passage tells of thing{n}." for n in range(20)], **unit)
    queries = model.encode(
        [f"{lang} question number {n} about thing{n // 2}?" for n in range(40)], **unit
    )
    return softmax(queries @ passages.T / 0.05)


def test_a_run_learns_with_groups_and_an_added_loss(config):
    run = train(
        config(steps=40, dev_fraction=0, batch_size=16, strategy="hybrid-pool"),
        other_positives=False, losses={"consistency": 0.5}, alpha=(1, 0.25), alpha_schedule="steps",
    )  # fmt: skip
    losses = [entry["loss"] for entry in run.log]
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) * 0.7
    scores = queries_and_passages(run)
    assert (scores.argmax(axis=1) == np.arange(40) // 2).mean() > 0.9
    facts = orjson.loads((run.folder / "run.json").read_bytes())
    assert facts["strategy"] == "hybrid-pool(1 to 0.25, steps; 2)"
    assert facts["shares"]["modes"]["x-x-mono"] == pytest.approx(0.625, abs=0.04)
    assert facts["shares"]["query_languages"]["fi"] == pytest.approx(1 / 3, abs=0.05)


def test_a_run_learns_from_several_queries_of_a_passage(config):
    settings = {"steps": 40, "batch_size": 16, "dev_fraction": 0, "strategy": "hybrid-queries"}
    run = train(config(**settings, queries_per_passage=4))
    for lang in ("en", "fi"):
        scores = queries_and_passages(run, lang)
        assert (scores.argmax(axis=1) == np.arange(40) // 2).mean() > 0.9
    facts = orjson.loads((run.folder / "run.json").read_bytes())
    assert facts["strategy"] == "hybrid-queries(0.5; 4)"
    assert facts["shares"]["modes"]["mono(2 of 4)"] == 1
    assert "queries of a passage | 4" in (run.model / "README.md").read_text()


def test_a_loss_with_parallel_queries_needs_one_query_per_passage(config):
    wanted = r"losses, consistency: found queries_per_passage 2, .* hybrid-queries"
    with pytest.raises(ConfigError, match=wanted):
        train(config(losses={"consistency": 1.0}, queries_per_passage=2))


@pytest.mark.slow
def test_consistency_brings_the_languages_of_a_query_together(config):
    def difference(**changes):
        run = train(config(steps=40, dev_fraction=0, strategy="x-x", **changes), overwrite=True)
        return np.abs(queries_and_passages(run) - queries_and_passages(run, "fi")).sum()

    assert difference(losses={"consistency": 2.0}) < 0.8 * difference()


@pytest.mark.slow
def test_keep_holds_a_trained_model_near_its_start(config, tmp_path):
    start = train(config(output=tmp_path / "start", steps=3, dev_fraction=0))
    settings = {"encoder": str(start.model), "encoder_settings": {}, "dev_fraction": 0}

    def change(**changes):
        run = train(config(learning_rate=0.005, **settings, **changes), overwrite=True)
        return np.abs(queries_and_passages(start) - queries_and_passages(run)).sum()

    assert change(losses={"keep": 5.0}) < 0.7 * change()


@pytest.mark.slow
def test_a_narrow_width_gets_better_if_it_is_trained(config):
    def right(**changes):
        run = train(config(steps=40, dev_fraction=0, batch_size=16, **changes), overwrite=True)
        scores = queries_and_passages(run, width=3)
        return scores[np.arange(40), np.arange(40) // 2].mean()

    assert right(matryoshka={3: 2}) > 1.2 * right()


@pytest.mark.slow
def test_the_model_scores_as_its_teacher_does(config, tmp_path):
    """The teacher has other tokens and another width, and its queries have a prompt."""
    sizes = {"width": 24, "vocabulary": 560}
    first = config(output=tmp_path / "teacher", steps=8, dev_fraction=0, encoder_settings=sizes)
    teacher = train(first, query_prompt="query: ", learning_rate=0.02)
    model = load_encoder(teacher.model)
    passages = model.encode_document([f"en passage tells of thing{n}." for n in range(20)])
    queries = model.encode_query(
        [f"en question number {n} about thing{n // 2}?" for n in range(40)]
    )
    unit = [one / np.linalg.norm(one, axis=1, keepdims=True) for one in (queries, passages)]
    wanted = softmax(unit[0] @ unit[1].T / 0.05)

    def distance(**changes):
        settings = {"steps": 40, "batch_size": 16, "negatives": 1} | changes
        run = train(config(**settings, dev_fraction=0), overwrite=True)
        found = queries_and_passages(run)
        return (wanted * np.log(wanted / found)).sum(axis=1).mean()

    taught = {"teacher": str(teacher.model), "losses": {"teacher": 5.0}}
    assert distance(**taught) < 0.6 * distance()


def test_the_teacher_has_a_temperature_of_its_own(config, corpus_folder):
    """The term is KL between softmaxes at two temperatures, over the batch as it is encoded."""
    corpus = open_corpus(corpus_folder)
    dataset = PairDataset(
        BatchPlan([corpus], make_strategy("x-y"), batch_size=8, seed=1), negatives=1
    )
    pairs = dataset.__getitems__(range(8))
    columns = [[pair[name] for pair in pairs] for name in ("anchor", "positive", "negative_1")]
    student, other = (
        build_encoder("static", [*columns[0], *TEXTS], {"width": 16, "vocabulary": 600}, seed=seed)
        for seed in (0, 1)
    )

    def scores(model, temperature):
        query, *passages = (model.encode(texts, normalize_embeddings=True) for texts in columns)
        return query @ np.concatenate(passages).T / temperature

    def loss(**changes):
        teacher = Teacher(open_model(other), dataset, 0.3)
        built = make_loss(student, config(**changes), 1, teacher=teacher)
        features = [student.tokenize(texts) for texts in columns]
        return built(features, torch.tensor([pair["label"] for pair in pairs])).item()

    wanted, found = softmax(scores(other, 0.3)), softmax(scores(student, 0.05))
    student.train()  # encoding ended it
    expected = (wanted * np.log(wanted / found)).sum(axis=1).mean()
    assert loss(losses={"teacher": 1.0}) - loss() == pytest.approx(expected, rel=1e-3)


def test_the_dev_loss_is_the_same_figure_for_all_strategies_and_losses(config):
    """The weights hardly move, so all these runs have the same dev loss."""
    found = []
    for changes in (
        {"strategy": "x-x-mono"},
        {"strategy": "x-y", "losses": {"consistency": 3.0}, "matryoshka": {4: 1}},
        {"strategy": "pool", "other_positives": False},
    ):
        run = train(config(steps=2, eval_every=2, learning_rate=1e-9, **changes), overwrite=True)
        found.append(run.log[-1]["dev"])
    assert found == pytest.approx([found[0]] * 3, abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"losses": {"keep": 1}}, ConfigError, "losses, keep: found the new encoder 'static'"),
        ({"alpha": (1, 0), "alpha_schedule": "cosin"}, UnknownNameError, "nearest is 'cosine'"),
        ({"losses": {"consistncy": 1}}, UnknownNameError, "nearest is 'consistency'"),
        ({"losses": {"consistency": 1}, "languages": ["de"], "strategy": "x-x"}, ConfigError,
         "at least 2 for parallel queries"),
        ({"losses": {"teacher": 1}}, ConfigError, "teacher: found no value, expected a model"),
        ({"teacher_temperature": 0.1}, ConfigError, "teacher_temperature: found 0.1 without a"),
        ({"teacher": "a/b"}, ConfigError, "teacher: found 'a/b', expected losses with teacher"),
        ({"teacher": "nowhere", "losses": {"teacher": 1}}, DataError, "'nowhere': found nothing"),
        ({"matryoshka": {8: 1, 17: 1}}, ConfigError, "matryoshka: found 17, expected at most 16"),
        ({"in_batch_negatives": "none"}, ConfigError,
         r"without any negative \(x-x-mono, x-y\).* Set negatives"),
        ({"in_batch_negatives": "x-x-mono"}, ConfigError, r"without any negative \(x-y\)"),
        ({"in_batch_negatives": "x-any", "negatives": 1}, UnknownNameError,
         "unknown mode 'x-any', expected one of all, none, x-x-mono, x-y"),
        ({"in_batch_negatives": "all,x-y"}, ConfigError, "'all' with other values"),
        ({"strategy": "pool", "pool_languages": 4}, ConfigError, r"3 languages .* at least 4"),
        ({"strategy": "pool", "pool_languages": 3}, ConfigError, "batch_size: found 8, .*of 3"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused(config, changes, error, message):
    settings = config(**changes)
    with pytest.raises(error, match=message):
        train(settings)
    assert not settings.output.exists()
