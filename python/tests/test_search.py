# SPDX-License-Identifier: Apache-2.0
"""Searches over models in Python and in C++."""

import itertools
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import partita
from partita import CallableModel, SamplerSettings

V, END = 4, 3
WORDS = ["whale", "whaler", "ship", "shape", "sea", "seal", "seam", "harpoon", "hare", "share"]


def logits_after(prefix: list[int]) -> Any:
    """Some distribution of the next of V tokens that depends on the whole prefix."""
    mixed = sum((i + 1) * (t + 1) for i, t in enumerate(prefix))
    return np.cos(np.arange(V) * (1.0 + mixed))


def function(prefixes: list[list[int]]) -> Any:
    return np.stack([logits_after(prefix) for prefix in prefixes])


MODEL = CallableModel(function, end_token=END)


class Incremental:
    """The same, reading one token at a time."""

    vocabulary_size = V
    end_token = END

    class State:
        def __init__(self) -> None:
            self.mixed: list[int] | None = None
            self.length = 0

        def reorder(self, rows: list[int]) -> None:
            assert self.mixed is not None
            self.mixed = [self.mixed[row] for row in rows]

    def start(self) -> State:
        return self.State()

    def next_logits(self, prefixes: list[list[int]], state: State) -> Any:
        if state.mixed is None:
            state.mixed = [sum((i + 1) * (t + 1) for i, t in enumerate(prefix)) for prefix in prefixes]
        else:
            last = len(prefixes[0])
            state.mixed = [mixed + last * (prefix[-1] + 1) for mixed, prefix in zip(state.mixed, prefixes, strict=True)]
        return np.cos(np.arange(V) * (1.0 + np.array(state.mixed)[:, None]))


def enumerate_sequences(max_length: int, prompt: tuple[int, ...] = ()) -> dict[tuple[int, ...], float]:
    """The log-probability of every sequence; those that have ended end with END."""
    done, open_ = {}, {(): 0.0}
    for _ in range(max_length):
        following = {}
        for tokens, log_prob in open_.items():
            for token, each in enumerate(partita.log_softmax(logits_after([*prompt, *tokens]))):
                (done if token == END else following)[(*tokens, token)] = log_prob + each
        open_ = following
    return done | open_


def as_key(h: Any) -> tuple[int, ...]:
    return (*h.tokens, END) if h.finished else tuple(h.tokens)


@pytest.mark.parametrize("prompt", [(), (1, 2)])
def test_a_wide_beam_finds_everything(prompt: tuple[int, ...]) -> None:
    all_of_them = enumerate_sequences(4, prompt)
    found = partita.beam_search(MODEL, 1000, max_length=4, prompt=prompt)
    assert {as_key(h) for h in found} == set(all_of_them)
    for h in found:
        assert h.log_prob == pytest.approx(all_of_them[as_key(h)], abs=1e-12)
    assert [h.log_prob for h in found] == sorted((h.log_prob for h in found), reverse=True)


def test_three_ways_to_give_a_model() -> None:
    for search in (
        lambda m: partita.beam_search(m, 7, max_length=6, prompt=[0]),
        lambda m: partita.stochastic_beam_search(m, 7, max_length=6, seed=1).sequences,
        lambda m: partita.ancestral_sample(m, 7, max_length=6, seed=1),
        lambda m: list(itertools.islice(partita.UniqueSampler(m, max_length=6, seed=1), 7)),
    ):
        expected = search(MODEL)
        assert search(CallableModel(function, END, V)) == expected
        assert search(Incremental()) == expected
    assert partita.beam_search(function, 3, max_length=3)[0].finished is False


def test_models_may_answer_in_torch(torch: Any) -> None:
    model = CallableModel(lambda prefixes: torch.from_numpy(function(prefixes)), end_token=END)
    assert partita.beam_search(model, 5, max_length=5) == partita.beam_search(MODEL, 5, max_length=5)
    single = CallableModel(lambda prefixes: torch.from_numpy(function(prefixes)).bfloat16(), end_token=END)
    assert len(partita.beam_search(single, 5, max_length=5)) == 5


def test_the_stochastic_beam_is_unbiased() -> None:
    expected = sum(np.exp(log_prob) * len(key) for key, log_prob in enumerate_sequences(4).items())
    means = []
    for seed in range(2000):
        beam = partita.stochastic_beam_search(MODEL, 5, max_length=4, seed=seed)
        lengths = [len(as_key(h)) for h in beam.sequences]
        means.append(float(np.dot(beam.weights, lengths)))
        if seed == 0:
            log_prob = np.array([h.log_prob for h in beam.sequences])
            np.testing.assert_allclose(partita.importance_weights(log_prob, beam.threshold), beam.weights, rtol=1e-12)
            assert partita.estimate(log_prob, beam.threshold, lengths).plain == pytest.approx(means[0], rel=1e-12)
    assert abs(np.mean(means) - expected) < 5 * np.std(means) / np.sqrt(len(means))


def test_prompts_are_searched_side_by_side() -> None:
    prompts = [[], [1, 2], [0]]
    beams = partita.stochastic_beam_search(MODEL, 4, prompts=prompts, seed=3, max_length=5)
    for i, prompt in enumerate(prompts):
        alone = partita.stochastic_beam_search(MODEL, 4, prompt=prompt, seed=3, stream=i, max_length=5)
        assert beams[i].sequences == alone.sequences and beams[i].threshold == alone.threshold
    found = partita.beam_search(MODEL, 4, prompts=prompts, max_length=5)
    assert found[1] == partita.beam_search(MODEL, 4, prompt=np.array([1, 2]), max_length=5)
    with pytest.raises(ValueError, match="expected prompt or prompts"):
        partita.beam_search(MODEL, 4, prompt=[1], prompts=prompts)


def test_the_unique_sampler_ends(torch: Any) -> None:
    sampler = partita.UniqueSampler(MODEL, seed=5, max_length=4, prompt=torch.tensor([1]))
    beam = partita.stochastic_beam_search(MODEL, 6, seed=5, max_length=4, prompt=[1])
    first = list(itertools.islice(sampler, 6))
    assert first == beam.sequences and sampler.threshold == beam.threshold
    assert len(first) + len(list(sampler)) == len(enumerate_sequences(4, (1,)))
    assert sampler.threshold == -np.inf and next(sampler, None) is None


def test_scores() -> None:
    scores = partita.score_sequences(MODEL, [[0, 1, 2], []])
    log_p = partita.log_softmax(function([[], [0], [0, 1], [0, 1, 2]]))
    np.testing.assert_allclose(scores[0].log_prob, log_p[np.arange(4), [0, 1, 2, END]], rtol=1e-12)
    np.testing.assert_allclose(scores[0].confidence, np.exp(log_p.max(-1)), rtol=1e-12)
    np.testing.assert_array_equal(scores[0].correct, log_p.argmax(-1) == [0, 1, 2, END])
    assert scores[1].log_prob.shape == (1,)


def test_filters() -> None:
    greedy = partita.ancestral_sample(MODEL, 3, seed=1, max_length=6, filter=SamplerSettings(top_k=1))
    assert greedy[0] == greedy[1] and greedy[0].log_prob == 0
    with pytest.raises(ValueError, match="xtc"):
        partita.beam_search(MODEL, 3, filter=SamplerSettings(xtc_probability=0.5))


@pytest.mark.parametrize("threads", [1, 3])
def test_exceptions_of_the_model_come_through(threads: int) -> None:
    class Strange(Exception):
        pass

    thrown = Strange("as it was")

    def fails(prefixes: list[list[int]]) -> Any:
        if len(prefixes[0]) == 3:
            raise thrown
        return function(prefixes)

    for search in (
        lambda: partita.ancestral_sample(fails, 50, seed=1, threads=threads, batch=5, max_length=9),
        lambda: partita.beam_search(CallableModel(fails, END), 5),
        lambda: list(partita.UniqueSampler(fails, seed=1, max_length=9)),
    ):
        with pytest.raises(Strange) as caught:
            search()
        assert caught.value is thrown


@pytest.mark.parametrize(
    "returned,error,message",
    [
        (lambda n: np.zeros((n, V + 1)), ValueError, r"model: expected logits of shape \(1, 4\).*got \(1, 5\)"),
        (lambda n: np.zeros(V), ValueError, r"got \(4,\)"),
        (lambda n: np.zeros((n + 1, V)), ValueError, r"got \(2, 4\)"),
        (lambda n: None, ValueError, "model: elements are object"),
        (lambda n: np.zeros((n, V), int), ValueError, "model: elements are int64"),
        (lambda n: np.full((n, V), np.nan), ValueError, "NaN"),
        (lambda n: np.full((n, V), -np.inf), ValueError, "-inf"),
    ],
)
def test_wrong_logits(returned: Any, error: type[Exception], message: str) -> None:
    model = CallableModel(lambda prefixes: returned(len(prefixes)), END, V)
    with pytest.raises(error, match=message) as caught:
        partita.beam_search(model, 3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "call,error,message",
    [
        (lambda: partita.beam_search(3, 3), TypeError, "model: expected a callable"),  # type: ignore[call-overload]
        (lambda: partita.beam_search(MODEL, 0), ValueError, "k: expected 1 or more"),
        (lambda: partita.beam_search(MODEL, 3, max_length=0), ValueError, "max_length: expected 1 or more"),
        (lambda: partita.beam_search(MODEL, 3, prompt=[9]), ValueError, "prompt"),
        (lambda: partita.beam_search(MODEL, 3, prompt=[-1]), ValueError, "prompt"),
        (lambda: partita.beam_search(MODEL, 3, prompt=[0.5]), ValueError, "prompt: elements are float64"),
        (lambda: partita.beam_search(MODEL, 3, prompt=[[1]]), ValueError, "one dimension"),
        (lambda: partita.beam_search(CallableModel(function, 9), 3), ValueError, "end_token 9"),
        (lambda: partita.stochastic_beam_search(MODEL, 3, seed=-1), ValueError, "seed"),
        (lambda: partita.NGram.load("/no/such/file"), OSError, "/no/such/file"),
        (lambda: partita.NGram.load(__file__), OSError, "test_search.py"),
        (lambda: partita.NGram.train([]), ValueError, "lines"),
        (lambda: partita.NGram.train("abc"), TypeError, "lines: expected an iterable of str"),
        (lambda: partita.NGram.train(["abc"], order=0), ValueError, "order"),
        (lambda: partita.NGram.train(["abc"], units="nonsense"), ValueError, "nonsense"),
        (lambda: partita.estimate([0.5], 0.0, [1.0, 2.0]), ValueError, "values: expected the shape"),
        (lambda: partita.estimate([[-0.5]], 0.0, [[1.0]]), ValueError, "threshold: expected shape"),
    ],
)
def test_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def words() -> partita.NGram:
    return partita.NGram.train(WORDS, order=4)


def test_an_ngram_model(words: partita.NGram, tmp_path: Path) -> None:
    assert words.decode(words.encode("whale")) == "whale" and words.order == 4
    scores = partita.score_sequences(words, [words.encode("seal")])[0]
    assert words.log_prob("seal") == pytest.approx(scores.log_prob.sum(), rel=1e-12)
    words.save(tmp_path / "words.model")
    for copy in (partita.NGram.load(tmp_path / "words.model"), pickle.loads(pickle.dumps(words))):
        assert copy.perplexity(WORDS) == words.perplexity(WORDS)
    as_callable = CallableModel(words.next_logits, words.end_token)
    expected = partita.stochastic_beam_search(words, 9, seed=2)
    assert partita.stochastic_beam_search(as_callable, 9, seed=2).sequences == expected.sequences


def test_bits_of_the_command(words: partita.NGram, command: Any, tmp_path: Path) -> None:
    words.save(tmp_path / "words.model")
    run = ["generate", "--model", tmp_path / "words.model", "-k", 12, "--seed", 4, "--json", "--method"]
    beam = partita.stochastic_beam_search(words, 12, seed=4)
    printed = command(*run, "stochastic-beam")
    assert [s["text"] for s in printed["sequences"]] == [words.decode(h.tokens) for h in beam.sequences]
    assert [s["perturbed"] for s in printed["sequences"]] == [h.perturbed for h in beam.sequences]
    assert printed["threshold"] == beam.threshold
    printed = command(*run, "ancestral")["sequences"]
    samples = partita.ancestral_sample(words, 12, seed=4)
    assert [(s["text"], s["log_prob"]) for s in printed] == [(words.decode(h.tokens), h.log_prob) for h in samples]
    command("lm", "train", _lines(tmp_path, WORDS), "-o", tmp_path / "theirs.model", "--order", 4)
    assert partita.NGram.load(tmp_path / "theirs.model").log_prob("seal") == words.log_prob("seal")


def _lines(folder: Path, lines: list[str]) -> Path:
    path = folder / "lines.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_threads_of_python_search_at_once(words: partita.NGram, at_once: Any) -> None:
    expected = partita.stochastic_beam_search(MODEL, 8, seed=1, max_length=6)

    def work() -> None:
        for _ in range(5):
            assert partita.stochastic_beam_search(Incremental(), 8, seed=1, max_length=6).sequences == expected.sequences
            assert len(partita.ancestral_sample(words, 20, seed=1, threads=2)) == 20

    at_once(work)


def test_a_sampler_is_used_by_one_call_at_a_time() -> None:
    def reenters(prefixes: list[list[int]]) -> Any:
        if prefixes[0]:
            next(sampler)
        return function(prefixes)

    sampler = partita.UniqueSampler(CallableModel(reenters, END, V), seed=1, max_length=3)
    with pytest.raises(ValueError, match="another call is under way"):
        list(sampler)


def test_json_of_results() -> None:
    assert json.loads(json.dumps(partita.beam_search(MODEL, 1, max_length=2)[0]))[1] in (True, False)


def test_arithmetic_samples_are_spread_evenly() -> None:
    p = [0.5, 0.3, 0.2]
    model = partita.CallableModel(lambda prefixes: np.tile(np.log(p), (len(prefixes), 1)))
    drawn = partita.arithmetic_sample(model, 1000, seed=1, max_length=2)
    for a in range(3):
        for b in range(3):
            assert abs(sum(h.tokens == [a, b] for h in drawn) - 1000 * p[a] * p[b]) < 1 + 1e-9
    assert drawn == partita.arithmetic_sample(model, 1000, seed=1, max_length=2, batch=7)


def test_groups_of_a_diverse_beam_avoid_each_other() -> None:
    model = CallableModel(lambda prefixes: np.tile(np.log([0.6, 0.4]), (len(prefixes), 1)))
    for penalty, expected in ((0.4, [[0], [0]]), (0.41, [[0], [1]])):
        found = partita.beam_search(model, 2, max_length=1, num_beam_groups=2, diversity_penalty=penalty)
        assert [h.tokens for h in found] == expected
    with pytest.raises(ValueError, match="num_beam_groups: expected a divisor of k = 3, got 2"):
        partita.beam_search(model, 3, num_beam_groups=2, diversity_penalty=1.0)


def test_the_conditional_poisson_beam_is_unbiased() -> None:
    expected = sum(np.exp(log_prob) * len(key) for key, log_prob in enumerate_sequences(4).items())
    for hindsight_samples in (0, 1):
        beams = partita.conditional_poisson_beam_search(MODEL, 4, prompts=[[]] * 1000, max_length=4, seed=1,
                                                        hindsight_samples=hindsight_samples)
        means = [float(np.dot(b.weights, [len(as_key(h)) for h in b.sequences])) for b in beams]
        assert abs(np.mean(means) - expected) < 5 * np.std(means) / np.sqrt(len(means))
        assert all(len({as_key(h) for h in b.sequences}) == 4 for b in beams)
    again = partita.conditional_poisson_beam_search(MODEL, 4, max_length=4, seed=1, stream=7, prompt=[])
    assert again.sequences != beams[0].sequences


def test_minimum_bayes_risk() -> None:
    sequences = [[9, 9], [1, 2, 3], [1, 2, 4], [1, 5, 3]]
    risk = partita.minimum_bayes_risk(sequences, [4, 2, 2, 2], utility="token-f1")
    assert risk.choice == 1
    np.testing.assert_allclose(risk.utilities, [0.4, 0.2 * 7 / 3, 0.4, 0.4], rtol=1e-14)
    ours = partita.minimum_bayes_risk(["a", "abc", "ab"], utility=lambda h, r: -abs(len(h) - len(r)))
    assert ours.choice == 2
    np.testing.assert_allclose(ours.utilities, [-1, -1, -2 / 3], rtol=1e-14)
    characters = [[ord(c) for c in text] for text in ("abcd", "abed")]
    mean = (3 / 4 + 1 / 3) / 4
    np.testing.assert_allclose(partita.minimum_bayes_risk(characters).utilities, [(1 + mean) / 2] * 2, rtol=1e-14)
    with pytest.raises(ValueError, match="weights: expected 4"):
        partita.minimum_bayes_risk(sequences, [1.0])
    with pytest.raises(ValueError, match="utility"):
        partita.minimum_bayes_risk(sequences, utility="bleu")
    with pytest.raises(ZeroDivisionError):
        partita.minimum_bayes_risk(sequences, utility=lambda h, r: 1 / 0)
