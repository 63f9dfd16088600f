# SPDX-License-Identifier: Apache-2.0
"""A small transformer with Hugging Face's forward() and cache, searched and sampled."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip("torch")

import partita  # noqa: E402
from partita.hf import CausalLM, GumbelLogitsProcessor  # noqa: E402

V, END, DIM, LAYERS = 11, 10, 16, 2


class Cache:
    """As transformers' DynamicCache: changed in place."""

    def __init__(self, layers: Any) -> None:
        self.layers = layers

    def reorder_cache(self, rows: Any) -> None:
        self.layers = [tuple(each.index_select(0, rows) for each in layer) for layer in self.layers]


class Tiny(torch.nn.Module):  # type: ignore[misc]
    """Causal attention with learned positions. `new_cache`: past_key_values is a Cache, not tuples."""

    def __init__(self, new_cache: bool = False) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.config = SimpleNamespace(vocab_size=V, eos_token_id=END)
        self.new_cache = new_cache
        self.tokens = torch.nn.Embedding(V, DIM)
        self.positions = torch.nn.Embedding(64, DIM)
        self.mix = torch.nn.ModuleList(torch.nn.Linear(DIM, 3 * DIM) for _ in range(LAYERS))
        self.head = torch.nn.Linear(DIM, V)
        self.read = 0

    def forward(self, input_ids: Any, attention_mask: Any = None, position_ids: Any = None, past_key_values: Any = None,
                use_cache: bool = False) -> Any:
        past = past_key_values.layers if self.new_cache and past_key_values is not None else past_key_values
        before = 0 if past is None else past[0][0].shape[1]
        rows, new = input_ids.shape
        self.read += rows * new
        total = before + new
        if position_ids is None:
            position_ids = torch.arange(before, total).expand(rows, new)
        allowed = torch.ones(total, total).tril()[before:].bool().expand(rows, new, total)
        if attention_mask is not None:
            assert attention_mask.shape == (rows, total)
            allowed = allowed & attention_mask.bool()[:, None]
        x = self.tokens(input_ids) + self.positions(position_ids)
        layers = []
        for i, mix in enumerate(self.mix):
            query, key, value = mix(x).chunk(3, -1)
            if past is not None:
                key, value = torch.cat([past[i][0], key], 1), torch.cat([past[i][1], value], 1)
            layers.append((key, value))
            weights = (query @ key.transpose(1, 2) / DIM**0.5).masked_fill(~allowed, -1e9).softmax(-1)
            x = x + torch.tanh(weights @ value)
        cache = Cache(layers) if self.new_cache else tuple(layers)
        return SimpleNamespace(logits=3 * self.head(x), past_key_values=cache if use_cache else None)


def whole(model: Any) -> partita.CallableModel:
    """The same model without a cache, one prefix at a time."""

    def logits(prefixes: list[list[int]]) -> Any:
        with torch.no_grad():
            return torch.stack([model(torch.tensor([prefix])).logits[0, -1] for prefix in prefixes])

    return partita.CallableModel(logits, END, V)


def close(found: list[Any], expected: list[Any]) -> None:
    assert [h.tokens for h in found] == [h.tokens for h in expected]
    np.testing.assert_allclose([h.log_prob for h in found], [h.log_prob for h in expected], rtol=1e-4)


@pytest.mark.parametrize("new_cache", [False, True])
def test_the_cache_changes_nothing_but_the_work(new_cache: bool) -> None:
    model = Tiny(new_cache)
    search = {"prompt": torch.tensor([0, 4]), "max_length": 12}
    close(partita.beam_search(CausalLM(model), 8, **search), partita.beam_search(whole(model), 8, **search))
    model.read = 0
    beam = partita.stochastic_beam_search(CausalLM(model), 8, seed=1, **search)
    assert model.read <= 2 + 8 * 11  # each token once
    close(beam.sequences, partita.stochastic_beam_search(whole(model), 8, seed=1, **search).sequences)
    samples = partita.ancestral_sample(CausalLM(model), 8, seed=1, **search)
    close(samples, partita.ancestral_sample(whole(model), 8, seed=1, **search))


def test_prompts_of_different_lengths() -> None:
    model = Tiny()
    prompts = [[1], [2, 3, 4], [5, 6]]
    together = partita.beam_search(CausalLM(model), 4, prompts=prompts, max_length=8)
    for found, prompt in zip(together, prompts, strict=True):
        close(found, partita.beam_search(whole(model), 4, prompt=prompt, max_length=8))


def test_a_start_token_stands_before_every_prefix() -> None:
    model = Tiny()
    texts = [[1, 2, 3], [4], []]
    found = partita.score_sequences(CausalLM(model, start_token=6), texts)
    plain = whole(model)
    expected = partita.score_sequences(
        partita.CallableModel(lambda prefixes: plain([[6, *p] for p in prefixes]), END, V), texts)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.log_prob, other.log_prob, rtol=1e-4)
    started = partita.beam_search(CausalLM(model, start_token=6), 4, prompts=[[], [1, 2]], max_length=6)
    given = partita.beam_search(CausalLM(model), 4, prompts=[[6], [6, 1, 2]], max_length=6)
    for one, other in zip(started, given, strict=True):
        close(one, other)


def test_what_a_model_says_of_itself() -> None:
    model = Tiny()
    assert CausalLM(model).end_token == END and CausalLM(model, end_token=-1).end_token is None
    assert all(not h.finished for h in partita.beam_search(CausalLM(model, end_token=-1), 3, prompt=[1], max_length=3))
    with pytest.raises(ValueError, match="expected one token or more"):
        partita.beam_search(CausalLM(model), 3)
    model.config.eos_token_id = [9, 10]
    with pytest.raises(ValueError, match="end_token: the model has several"):
        CausalLM(model)
    del model.config.vocab_size
    with pytest.raises(ValueError, match="vocabulary_size"):
        CausalLM(model, end_token=1)
    with pytest.raises(ValueError, match=r"expected logits of shape \(1, 12\)"):
        partita.beam_search(CausalLM(model, end_token=1, vocabulary_size=12), 3, prompt=[1])


def generate(model: Any, ids: Any, processor: Any, steps: int) -> Any:
    """generate(do_sample=False, logits_processor=[processor]) of transformers, as far as it matters here."""
    ids = ids.clone()
    past = None
    for _ in range(steps):
        with torch.no_grad():
            out = model(ids if past is None else ids[:, -1:], past_key_values=past, use_cache=True)
        past = out.past_key_values
        ids = torch.cat([ids, processor(ids, out.logits[:, -1]).argmax(-1, keepdim=True)], 1)
    return ids


def test_greedy_search_becomes_an_exact_sampler() -> None:
    """The frequencies of all pairs of tokens, by chi-square."""
    stats = pytest.importorskip("scipy.stats")
    model, n = Tiny(), 20_000
    prompt = torch.tensor([[3]])
    ids = generate(model, prompt.expand(n, 1), GumbelLogitsProcessor(seed=5), 2)
    counts = np.zeros((V, V))
    np.add.at(counts, (ids[:, 1].numpy(), ids[:, 2].numpy()), 1)
    with torch.no_grad():
        first = model(prompt).logits[0, -1].double().softmax(-1)
        pairs = torch.stack([torch.tensor([3, token]) for token in range(V)])
        second = model(pairs).logits[:, -1].double().softmax(-1)
    expected = (n * first[:, None] * second).numpy()
    common = expected > 5
    rest = [counts[~common].sum(), expected[~common].sum()]
    found = stats.chisquare(np.append(counts[common], rest[0]), np.append(expected[common], rest[1]) * (n / expected.sum()))
    assert found.pvalue > 1e-6


def test_draws_are_the_same_in_any_batch() -> None:
    model = Tiny()
    ids = torch.tensor([[1], [2], [3], [4]])
    together = generate(model, ids, GumbelLogitsProcessor(seed=5, streams=[10, 20, 30, 40]), 6)
    order = torch.tensor([2, 0])
    some = generate(model, ids[order], GumbelLogitsProcessor(seed=5, streams=[30, 10]), 6)
    assert torch.equal(some, together[order])
    assert not torch.equal(generate(model, ids, GumbelLogitsProcessor(seed=6), 6), together)


def test_a_processor_that_is_used_again_is_refused() -> None:
    processor = GumbelLogitsProcessor(seed=1, streams=[1])
    processor(torch.zeros(1, 5, dtype=torch.long), torch.zeros(1, V))
    with pytest.raises(ValueError, match="a processor of its own"):
        processor(torch.zeros(1, 4, dtype=torch.long), torch.zeros(1, V))
    with pytest.raises(ValueError, match="streams: expected 2"):
        processor(torch.zeros(2, 5, dtype=torch.long), torch.zeros(2, V))
