#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Python package beside torch, scipy and scikit-learn: ./dev bench python [CORPUS].

The contenders of a table take turns in one process, as in compare.hpp, on one thread; a ratio is the
median of the rounds' ratios: above 1 the package is faster. With a CORPUS, also beside gensim.
"""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import partita
from partita.calibration import TemperatureScaling, evaluate_calibration
from partita.detection import detection_metrics

Run = Callable[[], object]
ROUNDS = 5


def take_turn(run: Run, turn: float = 0.03) -> float:
    """Mean seconds of a few runs, of which the first is not counted."""
    run()
    start, runs = time.perf_counter(), 0
    while runs < 2 or time.perf_counter() - start < turn:
        run()
        runs += 1
    return (time.perf_counter() - start) / runs


def once(run: Run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def compare(what: str, ours: Run, peers: dict[str, Run], timer: Callable[[Run], float] = take_turn,
            rounds: int = ROUNDS) -> None:
    """Prints our median time, and how many times longer each peer took."""
    times, ratios = [], {name: [] for name in peers}
    for _ in range(rounds):
        times.append(timer(ours))
        for name, run in peers.items():
            ratios[name].append(timer(run) / times[-1])
    seconds = statistics.median(times)
    shown = f"{seconds * 1e6:.1f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"
    for name in peers or [""]:
        ratio = f"{statistics.median(ratios[name]):.3g}×" if name else ""
        print(f"| {what} | {shown} | {name} | {ratio} |", flush=True)


def draws() -> None:
    generator = torch.Generator().manual_seed(1)
    z = 3 * torch.randn(64, 50257, generator=generator)
    probabilities = torch.softmax(z, -1)

    def gumbel_top_k(logits: Any) -> Any:
        phi = torch.log_softmax(logits, -1)
        return (phi - torch.empty_like(phi).exponential_().log_()).topk(10, -1)

    def nucleus(logits: Any) -> Any:
        values, order = (logits / 0.7).topk(40, -1)
        p = values.softmax(-1)
        p[p.cumsum(-1) - p >= 0.95] = 0
        return order.gather(-1, torch.multinomial(p, 1))

    settings = partita.SamplerSettings(temperature=0.7, top_k=40, top_p=0.95)
    compare("gumbel_top_k, k = 10, 64 × 50,257", lambda: partita.gumbel_top_k(z, 10, seed=1),
            {"torch: log_softmax, Gumbel noise, topk": lambda: gumbel_top_k(z)})
    compare("gumbel_max, 64 × 50,257", lambda: partita.gumbel_max(z, seed=1),
            {"torch: softmax, multinomial": lambda: torch.multinomial(torch.softmax(z, -1), 1),
             "torch: multinomial": lambda: torch.multinomial(probabilities, 1)})
    compare("sample, top-k 40, top-p .95, temperature .7, 64 × 50,257", lambda: partita.sample(z, settings, seed=1),
            {"torch: topk, softmax, cumsum, multinomial": lambda: nucleus(z)})
    compare("log_softmax, 64 × 50,257", lambda: partita.log_softmax(z), {"torch": lambda: torch.log_softmax(z, -1)})
    compare("log_sum_exp, 64 × 50,257", lambda: partita.log_sum_exp(z), {"torch": lambda: torch.logsumexp(z, -1)})


def overhead() -> None:
    a = np.zeros((1, 4), np.float32)
    t = torch.from_numpy(a)
    settings = partita.SamplerSettings(top_k=2)
    compare("log_sum_exp, 1 × 4: numpy", lambda: partita.log_sum_exp(a), {})
    compare("log_sum_exp, 1 × 4: torch", lambda: partita.log_sum_exp(t), {"torch": lambda: torch.logsumexp(t, -1)})
    compare("gumbel_top_k, k = 2, 1 × 4: torch", lambda: partita.gumbel_top_k(t, 2, seed=1), {})
    compare("sample, top-k 2, 1 × 4: numpy", lambda: partita.sample(a, settings, seed=1), {})


def calibration(rows: int = 50_000, classes: int = 100) -> None:
    from scipy import optimize, special

    rng = np.random.default_rng(1)
    half = rng.normal(size=(rows, classes)).astype(np.float32)
    y = (half + rng.gumbel(size=half.shape)).argmax(-1)
    z = 2 * half
    tz, ty = torch.from_numpy(z), torch.from_numpy(y)
    found: dict[str, float] = {}

    def ours() -> None:
        found["TemperatureScaling"] = TemperatureScaling().fit(z, y).temperature_

    def scipy() -> None:
        def nll(log_beta: float) -> float:
            scaled = np.exp(log_beta) * z
            return float(np.mean(special.logsumexp(scaled, axis=-1) - scaled[np.arange(rows), y]))

        found["scipy: minimize_scalar"] = 1 / np.exp(optimize.minimize_scalar(nll).x)

    def lbfgs(name: str, **options: Any) -> Run:
        def run() -> None:
            t = torch.ones(1, requires_grad=True)
            optimizer = torch.optim.LBFGS([t], max_iter=50, **options)

            def closure() -> Any:
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(tz / t, ty)
                loss.backward()
                return loss

            optimizer.step(closure)
            found[name] = t.item()

        return run

    wolfe, recipe = "torch: L-BFGS, strong Wolfe", "torch: L-BFGS, learning rate .01 (the recipe)"
    compare(f"TemperatureScaling.fit, {rows:,} × {classes}", ours,
            {"scipy: minimize_scalar": scipy, wolfe: lbfgs(wolfe, line_search_fn="strong_wolfe"), recipe: lbfgs(recipe, lr=0.01)},
            once, 3)
    print("\nTemperatures found: " + "; ".join(f"{name} {t:.6f}" for name, t in found.items()) + "\n")


def measures() -> None:
    from sklearn import metrics

    rng = np.random.default_rng(1)
    known, unknown = rng.normal(1, 1, 100_000), rng.normal(0, 1, 100_000)
    y, scores = np.repeat([1, 0], 100_000), np.concatenate([known, unknown])
    header()
    compare("detection_metrics (five figures), 200,000 scores",
            lambda: detection_metrics(known, unknown, positive="in"),
            {"scikit-learn: roc_auc_score, average_precision_score twice": lambda: (
                metrics.roc_auc_score(y, scores), metrics.average_precision_score(y, scores),
                metrics.average_precision_score(1 - y, -scores))})
    z, labels = 3 * rng.normal(size=(50_000, 10)), rng.integers(10, size=50_000)

    def by_hand() -> float:
        e = np.exp(z - z.max(-1, keepdims=True))
        p = e / e.sum(-1, keepdims=True)
        confidence, right = p.max(-1), p.argmax(-1) == labels
        bins = np.clip(np.ceil(15 * confidence).astype(int) - 1, 0, 14)
        gaps = np.bincount(bins, right, 15) - np.bincount(bins, confidence, 15)
        return float(np.abs(gaps).sum() / len(z)) + metrics.log_loss(labels, p) + float(((p - np.eye(10)[labels]) ** 2).sum())

    compare("evaluate_calibration (nine measures), 50,000 × 10", lambda: evaluate_calibration(z, labels),
            {"numpy and scikit-learn: ECE, log_loss, Brier": by_hand})


def embedding(corpus: str) -> None:
    from gensim.models import Word2Vec
    from partita.embedding import train

    compare("embedding.train, dim 100, 1 epoch", lambda: train(corpus, seed=1, epochs=1),
            {"gensim: Word2Vec(sg=1)": lambda: Word2Vec(corpus_file=corpus, sg=1, epochs=1, workers=1)}, once, 3)


def header() -> None:
    print("| call | time | peer | peer / ours |\n| --- | --- | --- | --- |")


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_grad_enabled(True)
    header()
    draws()
    overhead()
    calibration()
    measures()
    if len(sys.argv) > 1:
        embedding(sys.argv[1])
