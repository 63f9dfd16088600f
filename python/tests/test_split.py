# SPDX-License-Identifier: Apache-2.0
"""Vocabularies split over ranks: the results of whole rows, for any number of ranks."""

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import partita
from partita import calibration, detection, split

VOCABULARY = 1000


class ThreadGroup:
    """Ranks that are threads."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._barrier = threading.Barrier(size)
        self._given: dict[int, np.ndarray] = {}

    def all_gather(self, rank: int, own: np.ndarray) -> np.ndarray:
        self._given[rank] = own.copy()
        self._barrier.wait(60)
        everyone = np.stack([self._given[each] for each in range(self.size)])
        self._barrier.wait(60)
        return everyone


class Rank:
    def __init__(self, group: ThreadGroup, rank: int) -> None:
        self.rank, self.size = rank, group.size
        self.all_gather = lambda own: group.all_gather(rank, own)


def on_ranks(size: int, call: Callable[[Rank], Any]) -> list[Any]:
    """call(group) on every rank: what it returns, or raises."""
    group = ThreadGroup(size)
    out: list[Any] = [None] * size

    def run(rank: int) -> None:
        try:
            out[rank] = call(Rank(group, rank))
        except Exception as error:
            out[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return out


def with_columns(size: int, call: Callable[[split.SplitColumns], Any], columns: int = VOCABULARY) -> list[Any]:
    """The same with columns that are split over the ranks."""
    return on_ranks(size, lambda group: call(split.SplitColumns(columns, group)))


@pytest.fixture
def logits(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(3, 4, VOCABULARY)).astype(np.float32)


def test_rows_are_those_of_the_whole(logits: np.ndarray) -> None:
    logits = logits.astype(np.float64)
    targets = np.arange(12).reshape(3, 4) * 83
    settings = partita.SamplerSettings(temperature=0.7, top_k=40, top_p=0.9)
    whole = partita.sample_without_replacement(logits, 3, settings, seed=5)
    log_p = partita.log_softmax(logits)

    def call(columns: split.SplitColumns) -> tuple[Any, ...]:
        own = logits[..., columns.first : columns.last]
        return (
            split.log_sum_exp(own, columns),
            split.entropy(own, columns),
            split.cross_entropy(own, targets, columns),
            split.sample_without_replacement(own, 3, columns, settings, seed=5),
        )

    for log_sum_exp, entropy, cross_entropy, drawn in with_columns(3, call):
        assert np.allclose(log_sum_exp, partita.log_sum_exp(logits), rtol=1e-12)
        assert np.allclose(entropy, partita.entropy(logits), rtol=1e-12)
        assert np.allclose(cross_entropy, -np.take_along_axis(log_p, targets[..., None], -1)[..., 0], rtol=1e-12)
        assert (drawn.indices == whole.indices).all()


def test_draws_do_not_depend_with_columns(logits: np.ndarray) -> None:
    def call(columns: split.SplitColumns) -> tuple[Any, ...]:
        own = logits[..., columns.first : columns.last]
        return split.gumbel_top_k(own, 5, columns, seed=2, stream=9), split.gumbel_max(own, columns, seed=2, stream=9)

    (one,) = with_columns(1, call)
    alone = split.gumbel_top_k(logits, 5, split.SplitColumns(VOCABULARY), seed=2, stream=9)
    assert all((a == b).all() for a, b in zip(one[0], alone, strict=True))
    assert (one[1] == alone.indices[..., 0]).all()
    for size in (2, 4):
        for sample, first in with_columns(size, call):
            assert all((a == b).all() for a, b in zip(sample, alone, strict=True))
            assert (first == one[1]).all()


def test_beams_do_not_depend_with_columns() -> None:
    table = np.random.default_rng(3).normal(size=(VOCABULARY, VOCABULARY))

    def call(columns: split.SplitColumns) -> partita.StochasticBeam:
        def own(prefixes: list[list[int]]) -> np.ndarray:
            return np.stack([table[prefix[-1], columns.first : columns.last] for prefix in prefixes])

        model = partita.CallableModel(own, end_token=7)
        return split.stochastic_beam_search(model, 20, columns, prompt=[1], seed=4, max_length=5)

    (one,) = with_columns(1, call)
    assert len({tuple(each.tokens) for each in one.sequences}) == 20
    for beam in with_columns(3, call):
        assert beam.sequences == one.sequences
        assert beam.threshold == one.threshold
        assert (beam.weights == one.weights).all()
    scores = partita.score_sequences(partita.CallableModel(lambda p: np.stack([table[(x or [1])[-1]] for x in p])),
                                     [[*each.tokens] for each in one.sequences if not each.finished])
    expected = [each.log_prob for each in one.sequences if not each.finished]
    assert np.allclose([score.log_prob.sum() for score in scores], expected)


def test_calibration_and_detection_of_rows_with_columns(rng: np.random.Generator) -> None:
    z = rng.normal(size=(300, 4)) * 3
    y = (z + rng.gumbel(size=z.shape) * 2).argmax(-1)
    known, unknown = rng.normal(size=200) + 1, rng.normal(size=100)

    def call(group: Rank) -> tuple[Any, ...]:
        own = slice(group.rank, None, group.size)
        return (
            calibration.TemperatureScaling().fit(z[own], y[own], group=group).temperature_,
            calibration.evaluate_calibration(z[own], y[own], group=group),
            detection.detection_metrics(known[own], unknown[own], positive="in", group=group),
        )

    whole = calibration.evaluate_calibration(z, y)
    for temperature, evaluation, figures in on_ranks(3, call):
        assert np.isclose(temperature, calibration.TemperatureScaling().fit(z, y).temperature_, rtol=1e-10)
        assert np.allclose(evaluation.metrics, whole.metrics, rtol=1e-12)
        assert (evaluation.diagram.count == whole.diagram.count).all()
        assert figures == detection.detection_metrics(known, unknown, positive="in")
    with pytest.raises(ValueError, match="seed"):
        calibration.evaluate_calibration(z, y, seed=1, group=Rank(ThreadGroup(1), 0))
    with pytest.raises(ValueError, match="vector is for rows of one process"):
        calibration.VectorScaling().fit(z, y, group=Rank(ThreadGroup(2), 0))


def test_refusals(logits: np.ndarray) -> None:
    for error in with_columns(2, lambda c: split.gumbel_top_k(np.full((1, c.last - c.first), np.nan), 2, c, seed=1)):
        assert isinstance(error, ValueError)
        assert "NaN at column 0" in str(error)
    for error in with_columns(5, lambda c: c, columns=3):
        assert not isinstance(error, Exception)  # some ranks have no column
    for error in with_columns(65, lambda c: c):
        assert "shards" in str(error)
    with pytest.raises(ValueError, match="logits: expected 1000"):
        split.log_sum_exp(logits[..., :-1], split.SplitColumns(VOCABULARY))
    with pytest.raises(TypeError, match="callable"):
        split.stochastic_beam_search(3, 2, split.SplitColumns(4), seed=1)  # type: ignore[arg-type]

    class Short:
        rank, size = 0, 2

        def all_gather(self, own: np.ndarray) -> np.ndarray:
            return own

    with pytest.raises(ValueError, match=r"group.all_gather: expected an array of shape \(2, "):
        split.SplitColumns(9, Short())


WORKER = """
import sys
import numpy as np, torch
from partita import split
rank, port = int(sys.argv[1]), int(sys.argv[2])
# Torch 2 may have been built without libuv, and asks for it all the same.
options = {"use_libuv": False} if hasattr(torch.distributed.TCPStore, "libuvBackend") else {}
store = torch.distributed.TCPStore("127.0.0.1", port, 2, rank == 0, **options)
torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
columns = split.SplitColumns(1000, split.TorchGroup())
logits = torch.arange(columns.first, columns.last) * 0.001
print(split.gumbel_top_k(logits, 5, columns, seed=3).indices.tolist())
torch.distributed.barrier()
"""


def test_processes_of_torch(torch: Any) -> None:
    import socket

    if not torch.distributed.is_available():
        pytest.skip("this torch has no torch.distributed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = [subprocess.Popen([sys.executable, "-c", WORKER, str(rank), str(port)], stdout=subprocess.PIPE, text=True)
               for rank in range(2)]
    printed = [each.communicate(timeout=120)[0] for each in running]
    alone = split.gumbel_top_k(np.arange(1000, dtype=np.float32) * np.float32(0.001), 5, split.SplitColumns(1000),
                               seed=3)
    assert printed == [f"{alone.indices.tolist()}\n"] * 2
