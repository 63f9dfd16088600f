# SPDX-License-Identifier: Apache-2.0
"""Conformal language modeling: the rule, its sets, and its refusals."""

import pickle
from typing import Any

import numpy as np
import pytest

import partita
from partita.calibration import ConformalSampling


def prompts(n: int, k: int = 20, seed: int = 1) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    quality = rng.uniform(size=(n, k))
    return quality, rng.uniform(size=(n, k)) < 0.5 * quality


def test_sets_miss_no_more_than_promised() -> None:
    x, y = prompts(4000)
    rule = ConformalSampling(seed=1, epsilon=0.2).fit(x[:1000], y[:1000])
    assert rule.tested_ == 500 and rule.p_value_ <= 0.05 and rule.misses_ < 100 and rule.max_draws_ == 20
    sets = rule.predict_sets(x[1000:])
    missed = np.mean([not right[each.kept].any() for right, each in zip(y[1000:], sets, strict=True)])
    assert 0.1 < missed < 0.2
    again = pickle.loads(pickle.dumps(rule)).predict_sets(x[1000:])
    assert all(np.array_equal(a.kept, b.kept) and a.draws == b.draws for a, b in zip(again, sets, strict=True))


def test_draws_no_more_than_it_needs() -> None:
    x, y = prompts(600)
    same: Any = np.zeros((600, 20, 20))
    same[:, 1::2, ::2] = np.eye(10)  # every second candidate is a copy of the one before it
    rule = ConformalSampling(seed=1, epsilon=0.3, confidence="first-k").fit(x, y & (np.arange(20) % 2 == 0), similarity=same)
    assert rule.similarity_threshold_ < 1
    for row, alike, each in zip(x, same, rule.predict_sets(x, same), strict=True):
        source = iter(range(20))
        kept = rule.sample_set(source, row.__getitem__, lambda i, j, s=alike: s[i, j])  # type: ignore[misc]
        assert kept == each.kept.tolist() and next(source, 20) == each.draws
    with pytest.raises(ValueError, match="similarity: missing"):
        rule.predict_sets(x)


def test_distinct_sequences_of_a_model() -> None:
    logits = np.log([0.4, 0.3, 0.2, 0.1])

    def model(prefixes: Any) -> Any:
        return np.tile(logits, (len(prefixes), 1))

    rng = np.random.default_rng(2)
    x, y = [], []
    for p in range(400):
        answer = [int(token) for token in rng.choice(4, size=2, p=np.exp(logits))]
        beam = partita.stochastic_beam_search(model, 16, max_length=2, seed=3, stream=p)
        x.append(np.exp([each.log_prob for each in beam.sequences]))
        y.append([list(each.tokens) == answer for each in beam.sequences])
    rule = ConformalSampling(seed=4, epsilon=0.3).fit(x, y)
    sampler = partita.UniqueSampler(model, max_length=2, seed=5)
    kept = rule.sample_set(sampler, lambda each: float(np.exp(each.log_prob)))
    mass = sum(np.exp(each.log_prob) for each in kept)
    assert rule.confidence_threshold_ <= mass and 0.6 < mass < 1


@pytest.mark.parametrize(("options", "message"), [
    ({"epsilon": 0}, r"epsilon: expected a number in \(0, 1\)"),
    ({"delta": 1}, r"delta: expected a number in \(0, 1\)"),
    ({"epsilon": 0.001}, "epsilon: no rule is shown to keep 0.001: "),
    ({"confidence": "mean"}, "confidence: expected one of first-k, max, sum"),
])
def test_refusals(options: dict[str, Any], message: str) -> None:
    x, y = prompts(200)
    with pytest.raises(ValueError, match=message):
        ConformalSampling(seed=1, **options).fit(x, y)


def test_refuses_prompts() -> None:
    x, y = prompts(9)
    rule = ConformalSampling(seed=1)
    with pytest.raises(ValueError, match="not fitted"):
        rule.predict_sets(x)
    with pytest.raises(ValueError, match="y: expected 9"):
        rule.fit(x, y[:8])
    with pytest.raises(ValueError, match="prompts: expected 2 or more"):
        rule.fit([], [])
