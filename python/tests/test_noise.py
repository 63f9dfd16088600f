# SPDX-License-Identifier: Apache-2.0
"""Watermarks, speculative sampling and counterfactual texts."""

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import stats

import partita

KEY = bytes(range(16))


def logits_after(prefixes: list[list[int]], shift: float = 0.0, size: int = 6) -> np.ndarray:
    return np.array([[np.sin(3.0 * sum(p) + len(p) + 2.0 * i + shift) for i in range(size)] for p in prefixes])


MODEL = partita.CallableModel(logits_after)
OTHER = partita.CallableModel(lambda prefixes: logits_after(prefixes, 0.7))


@pytest.mark.parametrize("scheme", ["gumbel", "green_list", "tournament"])
def test_marked_texts_are_found_with_their_key_alone(scheme: str) -> None:
    mark = partita.Watermark(KEY, scheme, context_width=4)
    texts = partita.watermarked_sample(MODEL, mark, 20, seed=1, max_length=60)
    tokens = [text.tokens for text in texts]
    found = partita.detect_watermark(mark, tokens)
    assert found.p_value < 1e-6
    assert np.isclose(found.score, found.scores.sum())
    assert len(found.scores) + found.masked == 20 * 56
    assert partita.detect_watermark(partita.Watermark(KEY[::-1], scheme, context_width=4), tokens).p_value > 1e-6
    first = partita.detect_watermark(mark, tokens[0]).scores
    assert (first == found.scores[:len(first)]).all()
    for array in (np.asarray(tokens[0]), np.asarray([tokens[0]])):
        assert (partita.detect_watermark(mark, array).scores == first).all()


def test_marked_tensors(torch: Any) -> None:
    mark = partita.Watermark(KEY, context_width=2)
    text = partita.watermarked_sample(MODEL, mark, 1, seed=1, max_length=30)[0].tokens
    scores = partita.detect_watermark(mark, text).scores
    for tensor in (torch.tensor(text), torch.tensor([text])):
        assert (partita.detect_watermark(mark, tensor).scores == scores).all()


def test_p_values_of_unmarked_text_are_uniform() -> None:
    random = np.random.default_rng(1)
    p = [partita.detect_watermark(partita.Watermark(random.bytes(16), context_width=2), random.integers(5, size=20)).p_value
         for _ in range(3000)]
    assert stats.kstest(p, "uniform").pvalue > 1e-6


@pytest.mark.parametrize("method", ["rejection", "coupling"])
@pytest.mark.parametrize("drafts", [1, 2])
def test_speculative_texts_have_the_targets_law(method: str, drafts: int) -> None:
    n = 4000
    drawn = partita.speculative_sample(MODEL, OTHER, n, method=method, drafts=drafts, draft_length=2, seed=3, max_length=2)
    first = np.exp(logits_after([[]])[0])
    first /= first.sum()
    second = np.exp(logits_after([[i] for i in range(6)]))
    expected = n * first[:, None] * second / second.sum(axis=1, keepdims=True)
    counts = np.zeros((6, 6))
    for text in drawn.sequences:
        counts[tuple(text.tokens)] += 1
    assert stats.chisquare(counts.ravel(), expected.ravel()).pvalue > 1e-6
    assert drawn.tokens == 2 * n and n < drawn.calls < 2 * n
    assert drawn.accepted <= drawn.tokens


def test_judged_drafts_have_the_targets_law() -> None:
    n = 20_000
    p, q = logits_after([[]])[0], logits_after([[]], 0.7)[0]
    rows = [np.broadcast_to(z, (n, 6)) for z in (p, q)]
    candidates = partita.gumbel_top_k(rows[1], 2, seed=7).indices
    tokens, accepted = partita.judge_drafts(*rows, candidates, seed=8)
    assert stats.chisquare(np.bincount(tokens, minlength=6), n * np.exp(p) / np.exp(p).sum()).pvalue > 1e-6
    for i in range(2):
        assert (tokens[accepted == i] == candidates[accepted == i, i]).all()
    assert 0 < (accepted == -1).mean() < 0.5
    none, all_rejected = partita.judge_drafts(p, q, np.zeros(0, int), seed=8)
    assert none in range(6) and all_rejected == -1


def rising(tokens: list[int], complete: bool) -> bool:
    return all(a <= b for a, b in itertools.pairwise(tokens))


def test_constrained_texts_have_the_conditional_law() -> None:
    small = partita.CallableModel(lambda prefixes: logits_after(prefixes, size=3))
    texts = [list(t) for t in itertools.product(range(3), repeat=3) if rising(list(t), True)]
    scores = partita.score_sequences(small, texts)
    log_prob = np.array([score.log_prob.sum() for score in scores])
    p = np.exp(log_prob)
    n = 4000
    drawn = partita.constrained_sample(small, rising, n, seed=2, max_length=3)
    counts = [sum(each.tokens == text for each in drawn.sequences) for text in texts]
    assert sum(counts) == n
    assert stats.chisquare(counts, n * p / p.sum()).pvalue > 1e-6
    assert drawn.mass_bound >= p.sum() - 1e-12 and drawn.attempts >= n
    particles = partita.constrained_particles(small, rising, 3000, seed=3, max_length=3)
    assert np.isclose(particles.weights.sum(), 1)
    assert np.isclose(np.exp(particles.log_mass), p.sum(), rtol=0.1)
    weight = [sum(w for w, each in zip(particles.weights, particles.sequences, strict=True) if each.tokens == text)
              for text in texts]
    assert np.allclose(weight, p / p.sum(), atol=0.06)
    assert particles.looks > 0
    with pytest.raises(ValueError, match="constraint"):
        partita.constrained_sample(small, lambda tokens, complete: False, 1, seed=1, max_length=3)
    with pytest.raises(TypeError, match="constraint: expected a callable"):
        partita.constrained_sample(small, 3, 1, seed=1)  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError):
        partita.constrained_particles(small, lambda tokens, complete: bool(1 / 0), 2, seed=1)


def test_counterfactuals() -> None:
    for text in partita.ancestral_sample(MODEL, 10, seed=4, max_length=8):
        same = partita.counterfactual_sample(MODEL, text, 3, seed=5, max_length=8)
        assert [each.tokens for each in same] == 3 * [text.tokens]
        others = partita.counterfactual_sample(MODEL, text, 30, other=OTHER, seed=5, max_length=8)
        assert any(each.tokens != text.tokens for each in others)


def test_refusals() -> None:
    for wrong, message in [
        (lambda: partita.Watermark(b"short"), "key: expected 16 bytes"),
        (lambda: partita.detect_watermark(partita.Watermark(KEY), [1, 2]), "expected more tokens than the context of 4, got 2"),
        (lambda: partita.detect_watermark(partita.Watermark(KEY, "invisible"), range(9)), "scheme: "),
        (lambda: partita.detect_watermark(partita.Watermark(KEY, layers=70), range(9)), "layers: expected 1..64, got 70"),
        (lambda: partita.speculative_sample(MODEL, OTHER, 1, method="luck", seed=1), "method: "),
        (lambda: partita.speculative_sample(MODEL, OTHER, 1, drafts=0, seed=1), "drafts: expected 1 or more, got 0"),
        (lambda: partita.judge_drafts(np.zeros((2, 5)), np.zeros((2, 4)), [[1], [2]], seed=1), "draft: expected the shape of target"),
        (lambda: partita.judge_drafts(np.zeros((2, 5)), np.zeros((2, 5)), [1, 2], seed=1), "candidates: expected a shape"),
        (lambda: partita.judge_drafts(np.zeros((2, 5)), np.zeros((2, 5)), [[1], [5]], seed=1), "row 1: expected 0..4"),
    ]:
        with pytest.raises(ValueError, match=message):
            wrong()
