# SPDX-License-Identifier: Apache-2.0
"""Draws: their law, their bits, and those of the command."""

import dataclasses
import json
import multiprocessing
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import partita
from partita import SamplerSettings

stats = pytest.importorskip("scipy.stats")

SETTINGS: dict[str, dict[str, Any]] = {
    "identity": {},
    "top-k": {"top_k": 5},
    "top-p": {"top_p": 0.8, "temperature": 0.7},
    "min-p": {"min_p": 0.05},
    "typical": {"typical_p": 0.7},
    "cutoffs": {"epsilon_cutoff": 0.01, "eta_cutoff": 0.02},
    "top-n-sigma": {"top_n_sigma": 1.0},
    "min-k": {"min_k": 3.0},
    "top-h": {"top_h": 0.5},
    "p-less": {"p_less": True},
    "xtc": {"xtc_probability": 0.5, "xtc_threshold": 0.05},
    "penalties": {"history": [1, 2, 2, 3], "repeat_penalty": 1.3, "frequency_penalty": 0.2, "presence_penalty": 0.1},
    "ngram": {"history": [1, 2, 3, 1, 2], "no_repeat_ngram": 3},
    "dry": {"history": [1, 2, 3, 1, 2], "dry_multiplier": 0.8, "dry_breakers": [9]},
    "bias": {"logit_bias": {0: 2.5, 1: -float("inf")}},
    "dynatemp": {"dynatemp_range": 0.3},
    "llama.cpp": {"order": partita.LLAMA_CPP_ORDER, "temperature": 1.7, "top_k": 20, "top_p": 0.9},
}


def test_top_k_is_drawn_without_replacement() -> None:
    """All ordered pairs of four categories, by chi-square."""
    p = np.array([0.1, 0.2, 0.3, 0.4])
    n = 200_000
    drawn = partita.gumbel_top_k(np.broadcast_to(np.log(p), (n, 4)), 2, seed=11).indices
    counts = np.zeros((4, 4))
    np.add.at(counts, (drawn[:, 0], drawn[:, 1]), 1)
    expected = n * p[:, None] * p[None, :] / (1 - p[:, None])
    off = ~np.eye(4, dtype=bool)
    assert not counts.diagonal().any()
    assert stats.chisquare(counts[off], expected[off]).pvalue > 1e-6


def test_rows_at_one_address_share_their_noise() -> None:
    z = np.random.default_rng(1).normal(size=(2, 1000))
    both = partita.gumbel_top_k(z, 1000, seed=1, stream=[7, 7], addressed=True)
    noise = np.empty((2, 1000))
    np.put_along_axis(noise, both.indices, both.perturbed - both.log_prob, axis=1)
    assert np.allclose(noise[0], noise[1], atol=1e-13)
    assert np.isclose(noise[0, 1], partita.gumbel_top_k([0.0, 1e3], 1, seed=1, stream=7, addressed=True).perturbed[0])
    assert (partita.gumbel_max(z, seed=1, stream=[7, 7], addressed=True) == both.indices[:, 0]).all()


@pytest.mark.parametrize("name", ["max", "addressed", "categorical", "sample"])
def test_law_of_single_draws(name: str) -> None:
    p = np.array([0.05, 0.15, 0.3, 0.5])
    n = 200_000
    rows = np.broadcast_to(np.log(p).astype(np.float32), (n, 4))
    drawn = {
        "max": lambda: partita.gumbel_max(rows, seed=3),
        "addressed": lambda: partita.gumbel_max(rows, seed=3, addressed=True),
        "categorical": lambda: partita.categorical(rows[0], n, seed=3),
        "sample": lambda: partita.sample(rows, seed=3),
    }[name]()
    assert stats.chisquare(np.bincount(drawn, minlength=4), n * p).pvalue > 1e-6


def test_a_draw_depends_on_its_row_and_stream_alone(rng: np.random.Generator) -> None:
    z = rng.normal(size=(6, 50)).astype(np.float32)
    whole = partita.gumbel_top_k(z, 7, seed=1)
    for row in range(6):
        one = partita.gumbel_top_k(z[row], 7, seed=1, stream=row)
        np.testing.assert_array_equal(one.indices, whole.indices[row])
        assert one.threshold == whole.threshold[row]
    order = rng.permutation(6)
    shuffled = partita.gumbel_top_k(z[order], 7, seed=1, stream=order, threads=3)
    np.testing.assert_array_equal(shuffled.perturbed, whole.perturbed[order])
    assert not np.array_equal(partita.gumbel_top_k(z, 7, seed=2).indices, whole.indices)


def test_fields_agree(rng: np.random.Generator) -> None:
    z = rng.normal(size=(2, 3, 40))
    s = partita.gumbel_top_k(z, 6, seed=1)
    assert s.indices.shape == (2, 3, 6) and s.log_sum_exp.shape == (2, 3) and s.indices.dtype == np.int64
    np.testing.assert_allclose(s.log_prob, np.take_along_axis(partita.log_softmax(z), s.indices, -1), rtol=1e-12)
    assert (np.diff(s.perturbed) <= 0).all() and (s.threshold <= s.perturbed[..., -1]).all()
    more = partita.gumbel_top_k(z, 7, seed=1)
    np.testing.assert_array_equal(more.indices[..., :6], s.indices)
    np.testing.assert_allclose(more.perturbed[..., 6], s.threshold, rtol=1e-12)


def test_torch_comes_back(torch: Any) -> None:
    z = torch.zeros(2, 5, dtype=torch.float16)
    s = partita.gumbel_top_k(z, 3, seed=1)
    assert all(isinstance(each, torch.Tensor) for each in s) and s.indices.dtype == torch.int64
    assert z.gather(1, s.indices).shape == (2, 3)
    report = partita.sample_with_report(z, seed=1, top=2, kept=True)
    assert isinstance(report.top_index, torch.Tensor) and isinstance(report.kept[0], torch.Tensor)


@pytest.mark.parametrize("name", SETTINGS)
def test_reports_agree(name: str, rng: np.random.Generator) -> None:
    settings = SamplerSettings(**SETTINGS[name])
    z = 2 * rng.normal(size=(200, 60)).astype(np.float32)
    drawn = partita.sample(z, settings, seed=4)
    report = partita.sample_with_report(z, settings, seed=4, top=3, kept=True)
    np.testing.assert_array_equal(report.index, drawn)
    replayed = partita.replay_log_prob(z, drawn, settings, seed=4)
    np.testing.assert_array_equal(replayed, report.log_prob)
    log_p = partita.log_softmax(z.astype(float))
    np.testing.assert_allclose(report.raw_log_prob, log_p[np.arange(200), drawn], rtol=1e-9)
    np.testing.assert_array_equal(report.top_index[:, 0], z.argmax(-1))
    assert report.kept is not None
    for row, kept in enumerate(report.kept):
        assert drawn[row] in kept and len(kept) == report.kept_count[row]
        np.testing.assert_allclose(np.exp(log_p[row, kept]).sum(), report.kept_mass[row], rtol=1e-9)


def test_filters_by_hand(rng: np.random.Generator) -> None:
    z = rng.normal(size=30)
    p = np.sort(partita.softmax(z))[::-1]

    def kept(**settings: Any) -> Any:
        return partita.sample_with_report(z, SamplerSettings(**settings), seed=1).kept_count

    assert kept(top_k=7) == 7
    assert kept(top_p=0.6) == np.searchsorted(np.cumsum(p), 0.6) + 1
    assert kept(min_p=0.2) == (p >= 0.2 * p[0]).sum()
    assert kept(epsilon_cutoff=0.03) == (p >= 0.03).sum()
    assert kept(allowed=np.arange(30) < 4) == 4
    assert kept(logit_bias=[(5, -np.inf)]) == 29


def test_settings_of_each_row(rng: np.random.Generator) -> None:
    z = rng.normal(size=(3, 20))
    each = [SamplerSettings(top_k=k) for k in (1, 2, 3)]
    assert partita.sample_with_report(z, each, seed=1).kept_count.tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="settings: expected one, or 3"):
        partita.sample(z, each[:2], seed=1)


def test_states(rng: np.random.Generator) -> None:
    z = rng.normal(size=(1, 200))
    state = partita.MirostatState()
    settings = SamplerSettings(mirostat=2, mirostat_tau=3.0, mirostat_state=state)
    surprise = []
    for step in range(300):
        surprise.append(-partita.sample_with_report(z, settings, seed=1, stream=step).log_prob[0] / np.log(2))
    assert np.isfinite(state.mu) and abs(np.mean(surprise[50:]) - 3.0) < 0.5
    assert pickle.loads(pickle.dumps(state)).mu == state.mu
    adaptive = partita.AdaptiveState()
    partita.sample(z, SamplerSettings(adaptive_target=0.5, adaptive_state=adaptive), seed=1)
    assert adaptive.total_weight > 0
    with pytest.raises(ValueError, match="shares its state"):
        partita.sample(np.zeros((2, 5)), settings, seed=1)
    # What only reads the state takes one for all rows.
    mu = state.mu
    partita.sample_without_replacement(np.zeros((2, 5)), 2, settings, seed=1)
    partita.replay_log_prob(np.zeros((2, 5)), [0, 1], settings, seed=1)
    assert state.mu == mu


@pytest.mark.parametrize(
    "settings,error,message",
    [
        ({"temperature": 0.0}, ValueError, "temperature: row 0: expected"),
        ({"top_p": 1.5}, ValueError, "top_p: row 0: expected"),
        ({"top_k": 1.5}, TypeError, "top_k: expected an integer, got float"),
        ({"top_p": "x"}, TypeError, "top_p: expected a number, got str"),
        ({"order": ["nonsense"]}, ValueError, "nonsense"),
        ({"order": "top_k"}, TypeError, "order: expected an iterable of str"),
        ({"allowed": [True]}, ValueError, "allowed: row 0: expected"),
        ({"allowed": [False] * 4}, ValueError, ""),
        ({"history": [9]}, ValueError, "history"),
        ({"history": [2**31]}, ValueError, "history: expected tokens below"),
        ({"logit_bias": {9: 1.0}}, ValueError, "bias"),
        ({"logit_bias": [1]}, TypeError, "logit_bias: expected a mapping"),
        ({"mirostat": 3}, ValueError, "mirostat: expected 0..2"),
        ({"mirostat_state": 3}, TypeError, "mirostat_state is a int"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        partita.sample(np.zeros((2, 4)), SamplerSettings(repeat_penalty=1.1, **settings), seed=1)
    assert "\n" not in str(caught.value)


def test_something_else_as_settings() -> None:
    with pytest.raises(TypeError, match="settings: expected SamplerSettings, got float"):
        partita.sample(np.zeros((2, 4)), 0.7, seed=1)  # type: ignore[arg-type]


def test_settings_are_a_dataclass() -> None:
    settings = SamplerSettings(top_k=3)
    assert dataclasses.replace(settings, top_k=4) == SamplerSettings(top_k=4)
    assert pickle.loads(pickle.dumps(settings)) == settings


@pytest.mark.parametrize("name", SETTINGS)
def test_bits_of_the_command(name: str, command: Any, tmp_path: Path, rng: np.random.Generator) -> None:
    z = 2 * rng.normal(size=(5, 60)).astype(np.float32)
    np.save(tmp_path / "logits.npy", z)
    arguments = dict(SETTINGS[name])
    if "logit_bias" in arguments:
        arguments["logit_bias"] = [[token, "-inf" if bias == -np.inf else bias] for token, bias in arguments["logit_bias"].items()]
    (tmp_path / "settings.jsonl").write_text((json.dumps(arguments) + "\n") * 5)
    settings = SamplerSettings(**SETTINGS[name])
    run = ["sample", tmp_path / "logits.npy", "--seed", 9, "--json", "--settings", tmp_path / "settings.jsonl"]
    printed = command(*run, "-k", 1)["rows"]
    drawn = partita.sample_without_replacement(z, 1, settings, seed=9)
    assert [row["indices"] for row in printed] == drawn.indices.tolist()
    assert [row["perturbed"] for row in printed] == drawn.perturbed.tolist()
    printed = command(*run, "--logprobs", 2)["rows"]
    report = partita.sample_with_report(z, settings, seed=9, top=2)
    for field in ("index", "log_prob", "raw_log_prob", "rank", "kept_mass", "entropy"):
        assert [row[field] for row in printed] == getattr(report, field).tolist()


def test_bits_of_the_command_without_settings(command: Any, tmp_path: Path, rng: np.random.Generator) -> None:
    z = rng.normal(size=(5, 1000)).astype(np.float32)
    np.save(tmp_path / "logits.npy", z)
    printed = command("sample", tmp_path / "logits.npy", "-k", 10, "--seed", 2**64 - 1, "--json")["rows"]
    drawn = partita.gumbel_top_k(z, 10, seed=2**64 - 1)
    for field in ("indices", "perturbed", "log_prob", "threshold"):
        assert [row[field] for row in printed] == getattr(drawn, field).tolist()


def test_eight_threads_at_once(rng: np.random.Generator, at_once: Any) -> None:
    z = rng.normal(size=(16, 20_000)).astype(np.float32)
    expected = partita.gumbel_top_k(z, 10, seed=1).perturbed
    settings = SamplerSettings(top_p=0.9, history=[1, 2, 3], repeat_penalty=1.1)
    expected_sample = partita.sample(z, settings, seed=1)

    def work() -> None:
        for _ in range(10):
            np.testing.assert_array_equal(partita.gumbel_top_k(z, 10, seed=1, threads=2).perturbed, expected)
            np.testing.assert_array_equal(partita.sample(z, settings, seed=1, threads=2), expected_sample)
            with pytest.raises(ValueError, match="seed"):
                partita.gumbel_max(z, seed=-1)

    at_once(work)


def _in_a_child(queue: Any, z: Any) -> None:
    queue.put(partita.gumbel_max(z, seed=1, threads=2))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_does_not_wait_for_threads_that_it_lacks(rng: np.random.Generator) -> None:
    z = rng.normal(size=(64, 5000)).astype(np.float32)
    expected = partita.gumbel_max(z, seed=1, threads=2)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_a_child, args=(queue, z))
    child.start()
    np.testing.assert_array_equal(queue.get(timeout=60), expected)
    child.join()


def test_the_gradient_of_what_was_drawn(torch: Any) -> None:
    """That of torch's own log-softmax over what top-k kept, at a temperature."""
    pytest.importorskip("partita._learn")
    z = torch.randn(2, 3, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    settings = SamplerSettings(temperature=0.7, top_k=5)
    tokens = partita.sample(z.detach(), settings, seed=1)
    found = partita.replay_log_prob(z, tokens, settings, seed=1)
    with torch.no_grad():
        assert torch.equal(found, partita.replay_log_prob(z, tokens, settings, seed=1))
    found.sum().backward()
    gradient, z.grad = z.grad.clone(), None
    kept = torch.full_like(z, -np.inf).scatter(-1, z.topk(5).indices, 0.0)
    expected = (z / 0.7 + kept).log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
    torch.testing.assert_close(found, expected)
    expected.sum().backward()
    torch.testing.assert_close(gradient, z.grad)
