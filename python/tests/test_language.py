# SPDX-License-Identifier: Apache-2.0
"""Language models of libtorch: those that the command trains, and those of torch.jit."""

import math
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip("torch")
pytest.importorskip("partita._learn")

import partita  # noqa: E402
from partita import LanguageModel, TorchScriptModel  # noqa: E402

WORDS = ["whale", "whaler", "ship", "shape", "sea", "seal", "seam", "harpoon", "hare", "share"]


def searches(model: Any, **options: Any) -> list[Any]:
    """What every search makes of a model."""
    sampler = partita.UniqueSampler(model, seed=3, max_length=12, **options)
    return [
        partita.beam_search(model, 6, max_length=12, **options),
        partita.stochastic_beam_search(model, 6, seed=3, max_length=12, **options).sequences,
        partita.ancestral_sample(model, 6, seed=3, max_length=12, **options),
        [next(sampler) for _ in range(4)],
    ]


def agree(ours: list[Any], theirs: list[Any]) -> None:
    for found, expected in zip(ours, theirs, strict=True):
        assert [h.tokens for h in found] == [h.tokens for h in expected]
        np.testing.assert_allclose([h.log_prob for h in found], [h.log_prob for h in expected], rtol=1e-4)


@pytest.fixture(scope="module", params=["lstm", "transformer"])
def path(request: Any, tmp_path_factory: Any) -> Path:
    """A model that the command has trained."""
    command = request.getfixturevalue("command_path")
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "lines.txt").write_text("".join(f"{word}\n" for word in WORDS))
    out: Path = folder / "words.model"
    subprocess.run([command, "lm", "train", folder / "lines.txt", "-o", out, "--kind", request.param, "--dim", "16", "--layers", "1",
                    "--epochs", "5", "--learning-rate", "0.02", "--seed", "1", "--held-out", "0"], check=True, capture_output=True)
    return out


def test_a_trained_model(path: Path, command: Any) -> None:
    model = LanguageModel.load(path)
    assert model.decode(model.encode("whale")) == "whale" and model.encode("whale") == [model.encode(c)[0] for c in "whale"]
    assert model.end_token is not None and 0 <= model.end_token < model.vocabulary_size
    scores = partita.score_sequences(model, [model.encode(word) for word in WORDS])
    log_prob = [float(each.log_prob.sum()) for each in scores]
    np.testing.assert_allclose([model.log_prob(word) for word in WORDS], log_prob, rtol=1e-4)
    tokens = sum(len(word) + 1 for word in WORDS)
    assert model.perplexity(WORDS) == pytest.approx(math.exp(-sum(log_prob) / tokens), rel=1e-4)
    assert model.perplexity(WORDS * 60) == pytest.approx(model.perplexity(WORDS), rel=1e-5)
    evaluated = command("lm", "evaluate", path, path.parent / "lines.txt", "--json")
    assert evaluated["perplexity"] == pytest.approx(model.perplexity(WORDS), rel=1e-5)


def test_bits_of_the_command(path: Path, command: Any) -> None:
    model = LanguageModel.load(path)
    # On as many threads as here: threads divide a batch, and the rows of a matrix product may round by how many there are.
    run = ["generate", "--model", path, "-k", 8, "--seed", 4, "--threads", 1, "--json", "--method"]
    printed = command(*run, "stochastic-beam")
    beam = partita.stochastic_beam_search(model, 8, seed=4)
    assert [s["text"] for s in printed["sequences"]] == [model.decode(h.tokens) for h in beam.sequences]
    assert [s["perturbed"] for s in printed["sequences"]] == [h.perturbed for h in beam.sequences]
    samples = partita.ancestral_sample(model, 8, seed=4)
    assert [(s["text"], s["log_prob"]) for s in command(*run, "ancestral")["sequences"]] == [
        (model.decode(h.tokens), h.log_prob) for h in samples]


def test_its_state_changes_nothing_but_the_work(path: Path) -> None:
    """Beside a callable that reads whole prefixes, with prompts of different lengths, too."""
    model = LanguageModel.load(path)
    logits = model.next_logits([model.encode("sea"), []])
    assert logits.dtype == np.float32 and logits.shape == (2, model.vocabulary_size)
    whole = partita.CallableModel(lambda prefixes: np.concatenate([model.next_logits([each]) for each in prefixes]), model.end_token)
    agree(searches(model, prompt=model.encode("sh")), searches(whole, prompt=model.encode("sh")))
    prompts = [model.encode(text) for text in ("s", "wha", "")]
    agree(partita.beam_search(model, 4, prompts=prompts), partita.beam_search(whole, 4, prompts=prompts))


def test_copies(path: Path, tmp_path: Path) -> None:
    model = LanguageModel.load(path)
    model.save(tmp_path / "again.model")
    assert (tmp_path / "again.model").read_bytes() == path.read_bytes()
    for copy in (LanguageModel.load(str(tmp_path / "again.model"), device=torch.device("cpu")), pickle.loads(pickle.dumps(model))):
        assert searches(copy) == searches(model)


def test_threads_search_one_model(path: Path, at_once: Any) -> None:
    model = LanguageModel.load(path)
    expected = partita.stochastic_beam_search(model, 6, seed=1).sequences
    assert at_once(lambda: partita.stochastic_beam_search(model, 6, seed=1).sequences) == [expected] * 8


class Cosines(torch.nn.Module):  # type: ignore[misc]
    """Some distribution of the next of V tokens that depends on the whole prefix."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.token = torch.nn.Parameter(torch.arange(vocabulary).float(), requires_grad=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        mixed = ((tokens + 1) * torch.arange(1, tokens.size(1) + 1)).cumsum(1)
        return 2 * torch.cos(self.token * (1.0 + mixed[:, :, None]))


@pytest.fixture(scope="module")
def script(tmp_path_factory: Any) -> Path:
    path: Path = tmp_path_factory.mktemp("script") / "model.ts"
    torch.jit.script(Cosines(5)).save(str(path))
    return path


def test_torch_script(script: Path) -> None:
    module = Cosines(5)
    model = TorchScriptModel(script, end_token=4)
    assert (model.vocabulary_size, model.end_token) == (5, 4)

    def after(prefixes: list[list[int]]) -> Any:
        return torch.stack([module(torch.tensor([prefix]))[0, -1] for prefix in prefixes])

    agree(searches(model, prompt=[0, 3]), searches(partita.CallableModel(after, 4, 5), prompt=[0, 3]))
    started = TorchScriptModel(script, start_token=2, vocabulary_size=5)
    assert started.end_token is None
    as_callable = partita.CallableModel(lambda prefixes: after([[2, *prefix] for prefix in prefixes]), None, 5)
    agree(searches(started), searches(as_callable))
    np.testing.assert_allclose(started.next_logits([[], [1]]), after([[2], [2, 1]]), rtol=1e-6)


@pytest.mark.parametrize(
    "call,error,message",
    [
        (lambda path: LanguageModel.load("/no/such/file"), OSError, "/no/such/file"),
        (lambda path: LanguageModel.load(__file__), OSError, "test_language.py"),
        (lambda path: LanguageModel.load(3), TypeError, ""),
        (lambda path: LanguageModel(), TypeError, "No constructor"),
        (lambda path: TorchScriptModel("/no/such/file"), OSError, "/no/such/file"),
        (lambda path: TorchScriptModel(__file__), OSError, "expected a TorchScript module"),
        (lambda path: TorchScriptModel(path, end_token=5), ValueError, "end_token"),
        (lambda path: TorchScriptModel(path, end_token=-1), ValueError, "end_token"),
        (lambda path: TorchScriptModel(path, vocabulary_size=7), OSError, "gives logits for 5 tokens, expected 7"),
        (lambda path: TorchScriptModel(path, device="nowhere"), RuntimeError, "nowhere"),
        (lambda path: partita.beam_search(TorchScriptModel(path), 3), ValueError, "prompt: expected a token"),
        (lambda path: partita.beam_search(TorchScriptModel(path), 3, prompt=[7]), ValueError, "prompt"),
    ],
)
def test_refused(call: Any, error: type[Exception], message: str, script: Path) -> None:
    with pytest.raises(error, match=message):
        call(script)


def test_they_are_found_lazily() -> None:
    code = ("import sys, partita; assert 'LanguageModel' in dir(partita); assert 'torch' not in sys.modules;"
            "print(partita.LanguageModel.__module__, partita.TorchScriptModel.__qualname__, 'torch' in sys.modules)")
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.split() == ["partita", "TorchScriptModel", "True"]
