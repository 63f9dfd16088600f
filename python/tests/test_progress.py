# SPDX-License-Identifier: Apache-2.0
"""How long calls say how far they are, and how they end early."""

import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import partita
from partita import calibration, detection, embedding

RNG = np.random.default_rng(1)
Z = RNG.normal(size=(4000, 20))
Y = (Z + RNG.gumbel(size=Z.shape)).argmax(-1)
LINES = ["the whale and the ship", "the sea and the shape"] * 500
MODEL = partita.NGram.train(["whale", "ship", "sea", "shape"], order=3)


@pytest.fixture(scope="module")
def questions(tmp_path_factory: Any) -> Path:
    path: Path = tmp_path_factory.mktemp("questions") / "questions.txt"
    path.write_text(": all\n" + "the whale the ship\n" * 3000)
    return path


VECTORS = embedding.KeyedVectors(["the", "whale", "ship", "sea"], RNG.normal(size=(4, 8)))

CALLS: dict[str, Callable[[Any, Path], Any]] = {
    "NGram.train": lambda progress, _: partita.NGram.train(LINES, progress=progress),
    "beam_search": lambda progress, _: partita.beam_search(MODEL, 9, progress=progress),
    "stochastic_beam_search": lambda progress, _: partita.stochastic_beam_search(MODEL, 9, seed=1, progress=progress),
    "conditional_poisson_beam_search": lambda progress, _: partita.conditional_poisson_beam_search(
        MODEL, 9, seed=1, progress=progress),
    "ancestral_sample": lambda progress, _: partita.ancestral_sample(MODEL, 9, seed=1, progress=progress),
    "ancestral_sample, threads": lambda progress, _: partita.ancestral_sample(MODEL, 99, seed=1, threads=3, progress=progress),
    "score_sequences": lambda progress, _: partita.score_sequences(MODEL, [MODEL.encode("sea")] * 9, progress=progress),
    "a model of Python": lambda progress, _: partita.beam_search(lambda p: np.zeros((len(p), 3)), 2, max_length=5, progress=progress),
    "TemperatureScaling": lambda progress, _: calibration.TemperatureScaling().fit(Z, Y, progress=progress),
    "MatrixScaling": lambda progress, _: calibration.MatrixScaling().fit(Z, Y, progress=progress),
    "evaluate_calibration": lambda progress, _: calibration.evaluate_calibration(Z, Y, seed=1, progress=progress),
    "Mahalanobis.fit": lambda progress, _: detection.Mahalanobis().fit(Z, Y, progress=progress),
    "Mahalanobis": lambda progress, _: detection.Mahalanobis().fit(Z, Y).score_samples(Z, progress=progress),
    "KNN": lambda progress, _: detection.KNN(3).fit(Z[:500]).score_samples(Z[:2000], progress=progress),
    "detection_intervals": lambda progress, _: detection.detection_intervals(Z[:, 0], Z[:, 1], positive="in", seed=1, progress=progress),
    "analogies": lambda progress, path: VECTORS.evaluate_word_analogies(path, progress=progress),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_function_hears_of_progress_which_changes_nothing(name: str, questions: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    found = CALLS[name](lambda *update: seen.append(update), questions)
    assert seen and all(0 < done and (total == 0 or done <= total) and unit for done, total, unit in seen)
    assert pickle.dumps(found) == pickle.dumps(CALLS[name](None, questions))
    if seen[-1][1]:
        assert seen[-1][0] == seen[-1][1]  # the last one says that all is done


@pytest.mark.parametrize("name", CALLS)
def test_what_it_raises_ends_the_call(name: str, questions: Path) -> None:
    thrown = RuntimeError("enough")

    def stop(*update: object) -> None:
        raise thrown

    with pytest.raises(RuntimeError) as caught:
        CALLS[name](stop, questions)
    assert caught.value is thrown
    with pytest.raises(TypeError, match="progress: expected True, or a function .*, got int"):
        CALLS[name](3, questions)


@pytest.mark.parametrize("name", CALLS)
def test_a_bar(name: str, questions: Path, capsys: Any) -> None:
    pytest.importorskip("tqdm")
    CALLS[name](True, questions)
    shown = capsys.readouterr().err
    assert "/s]" in shown or "s/" in shown, shown
    CALLS[name](False, questions)
    assert not capsys.readouterr().err


def test_a_bar_of_training(capsys: Any) -> None:
    pytest.importorskip("tqdm")
    options: dict[str, Any] = {"dim": 50, "epochs": 20, "min_count": 1, "sample": 0}
    with_bar = embedding.train(LINES * 20, seed=1, progress=True, **options)
    assert "words" in capsys.readouterr().err
    np.testing.assert_array_equal(with_bar.vectors, embedding.train(LINES * 20, seed=1, **options).vectors)


def test_without_tqdm() -> None:
    code = "import sys; sys.modules['tqdm'] = None; sys.modules['tqdm.auto'] = None; import partita; partita.NGram.train(['a'], progress=True)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].startswith("ImportError: progress: a bar needs tqdm")


LONG = {
    "train": "embedding.train([['a', 'b'] * 500] * 200, seed=1, dim=300, epochs=100000, min_count=1, sample=0)",
    "knn": "detection.KNN(5).fit(np.ones((4000, 500))).score_samples(np.ones((40000, 500), np.float32))",
    "bootstrap": "calibration.evaluate_calibration(np.eye(5)[y] + 1.0, y, seed=1, resamples=10_000_000)",
    "search": "partita.ancestral_sample(model, 50_000_000, seed=1, max_length=100_000)",
    "search, by a model of Python": "partita.ancestral_sample(lambda p: np.zeros((len(p), 3)), 10_000_000, seed=1, max_length=10_000)",
}


@pytest.mark.parametrize("name", LONG)
def test_ctrl_c(name: str) -> None:
    script = f"""
import numpy as np, partita
from partita import calibration, detection, embedding
y = np.arange(5000) % 5
model = partita.NGram.train(["whale", "ship", "sea", "shape"] * 50, order=6)
print("ready", flush=True)
{LONG[name]}
"""
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    time.sleep(0.3)  # into the work
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode != 0 and "KeyboardInterrupt" in errors
