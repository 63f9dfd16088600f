# SPDX-License-Identifier: Apache-2.0
"""What is taken as an array, what comes back, and what is refused."""

import array
import gc
import resource
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import partita

FORMATS = ["float16", "float32", "float64"]


def reference(logits: Any) -> Any:
    """log sum exp in double."""
    z = np.asarray(logits, dtype=np.float64)
    top = z.max(axis=-1, keepdims=True)
    return (top + np.log(np.exp(z - top).sum(axis=-1, keepdims=True)))[..., 0]


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize(
    "view",
    [
        lambda a: a,
        lambda a: a[::2],
        lambda a: a[:, ::3],
        lambda a: a[::-1, ::-1],
        lambda a: a.T,
        lambda a: a[5],
        lambda a: a[:0],
        lambda a: a.reshape(3, 4, 20),
        lambda a: a.reshape(3, 4, 20)[:, ::2],
        lambda a: a.reshape(3, 4, 20).transpose(1, 0, 2),
        lambda a: a.reshape(3, 4, 20).transpose(2, 1, 0)[::-1],
        lambda a: np.broadcast_to(a[0], (6, 20)),
        lambda a: np.broadcast_to(a[:, :1], (12, 9)),
        lambda a: a.astype(a.dtype.newbyteorder(">")),
        lambda a: np.asfortranarray(a),
    ],
)
def test_any_view(dtype: str, view: Any, rng: np.random.Generator) -> None:
    a = view((3 * rng.normal(size=(12, 20))).astype(dtype))
    rtol = {"float16": 1e-6, "float32": 1e-6, "float64": 1e-14}[dtype]
    np.testing.assert_allclose(partita.log_sum_exp(a), reference(a), rtol=rtol, atol=rtol)
    p = partita.softmax(a)
    assert p.shape == a.shape and p.dtype == np.dtype(dtype) and p.dtype.isnative
    np.testing.assert_allclose(p, np.exp(a.astype(float) - reference(a)[..., None]), rtol=1e-3, atol=1e-6)


def test_field_of_a_structured_array(rng: np.random.Generator) -> None:
    records = np.zeros((5, 6), dtype=[("flag", "u1"), ("z", "f4")])  # at odd addresses
    records["z"] = rng.normal(size=(5, 6))
    np.testing.assert_allclose(partita.log_sum_exp(records["z"]), reference(records["z"]), rtol=1e-6)


def test_buffers_and_lists() -> None:
    expected = reference([1.0, 2.0, 3.0])
    for given in (array.array("d", [1, 2, 3]), memoryview(array.array("f", [1, 2, 3])), [1.0, 2.0, 3.0], (1.0, 2.0, 3.0)):
        np.testing.assert_allclose(partita.log_sum_exp(given), expected, rtol=1e-6)


def test_a_scalar_comes_back_without_dimensions() -> None:
    assert isinstance(partita.log_sum_exp(np.zeros(3)), np.float64)
    assert isinstance(partita.gumbel_max(np.zeros(3), seed=1), np.int64)


@pytest.mark.parametrize("dtype", [*FORMATS, "bfloat16"])
def test_torch(torch: Any, dtype: str) -> None:
    z = torch.randn(4, 6, 30, generator=torch.Generator().manual_seed(1)).to(getattr(torch, dtype))
    for view in (z, z[::2], z.transpose(0, 1), z[..., ::7], z[0, 0], z[:0]):
        p = partita.softmax(view)
        assert isinstance(p, torch.Tensor) and p.dtype == view.dtype and p.shape == view.shape
        torch.testing.assert_close(p.double(), torch.softmax(view.double(), -1), rtol=1e-2, atol=1e-6)
        lse = partita.log_sum_exp(view)
        assert isinstance(lse, torch.Tensor) and lse.dtype == torch.float64 and lse.shape == view.shape[:-1]
        torch.testing.assert_close(lse, torch.logsumexp(view.double(), -1), rtol=1e-6, atol=1e-6)


def test_bfloat16_is_read_as_it_is(torch: Any) -> None:
    z = torch.randn(3, 1000, generator=torch.Generator().manual_seed(2)).bfloat16()
    exact = partita.gumbel_top_k(z.float(), 5, seed=3)
    assert torch.equal(partita.gumbel_top_k(z, 5, seed=3).indices, exact.indices)


def test_bfloat16_of_ml_dtypes(rng: np.random.Generator) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    z = rng.normal(size=(3, 20)).astype(ml_dtypes.bfloat16)
    p = partita.softmax(z)
    assert p.dtype == z.dtype
    np.testing.assert_allclose(partita.log_sum_exp(z), reference(z), rtol=1e-6)


def test_numpy_from_torch_and_back_share_no_state(torch: Any) -> None:
    with torch.no_grad():
        assert partita.log_sum_exp(torch.zeros(3, requires_grad=True)).item() == pytest.approx(np.log(3))


class Producer:
    """Somebody's array that has only DLPack; a test sees when it is let go."""

    def __init__(self, values: Any, device: int = 1) -> None:
        self.values, self.device, self.capsules = values, device, 0

    def __dlpack__(self, stream: object = None) -> object:
        self.capsules += 1
        return self.values.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return (self.device, 0)


def test_dlpack_of_others(rng: np.random.Generator) -> None:
    values = rng.normal(size=(4, 7))
    producer = Producer(values)
    p = partita.softmax(producer)
    assert isinstance(p, np.ndarray) and producer.capsules == 1
    np.testing.assert_allclose(p, partita.softmax(values))


def test_memory_is_let_go(torch: Any, rng: np.random.Generator) -> None:
    values = rng.normal(size=(4, 7))
    before = sys.getrefcount(values)
    for _ in range(100):
        partita.softmax(Producer(values))
        partita.gumbel_top_k(values, 2, seed=1)
        with pytest.raises(ValueError):
            partita.gumbel_top_k(values, 8, seed=1)
    assert sys.getrefcount(values) == before
    tensor = torch.zeros(4, 7)
    gone = weakref.ref(tensor)
    partita.softmax(tensor)
    del tensor
    gc.collect()
    assert gone() is None


def test_an_unused_dlpack_is_deleted_once(torch: Any) -> None:
    capsule = torch.zeros(3).__dlpack__()

    class Once:
        def __dlpack__(self) -> object:
            return capsule

    partita.log_sum_exp(Once())
    with pytest.raises(ValueError, match="no tensor"):
        partita.log_sum_exp(Once())


def test_results_outlive_everything() -> None:
    drawn = partita.gumbel_top_k(np.zeros((3, 5)), 2, seed=1)
    kept = drawn.indices[1:]
    expected = kept.tolist()
    del drawn
    gc.collect()
    assert kept.tolist() == expected


def test_what_is_read_is_what_was_given(torch: Any, rng: np.random.Generator) -> None:
    """By pointers: views, other libraries' arrays, buffers."""
    from partita._core import address

    a = rng.normal(size=(6, 20))
    for view in (a, a[1:], a[::-1, ::2], a.T, np.broadcast_to(a[0], (3, 20)), a.astype(np.float16)):
        assert address(view) == view.ctypes.data
    assert address(Producer(a)) == a.ctypes.data
    buffer = array.array("d", [1, 2, 3])
    assert address(buffer) == address(memoryview(buffer)) == buffer.buffer_info()[0]
    z = torch.randn(6, 20).bfloat16()
    for tensor in (z, z[1:], z.t(), z[:, ::3]):
        assert address(tensor) == tensor.data_ptr()
    assert partita.softmax(torch.randn(3, 4)).data_ptr() != 0


def available_memory() -> float:
    """In GB."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) / 2**20
    return 0.0


@pytest.mark.parametrize("dtype,columns", [("float16", 50257), ("float32", 32000)])
def test_two_gigabytes_are_not_copied(dtype: str, columns: int) -> None:
    """Peak memory of a process that reads 2 GB of logits, of which nothing is there before: they are zeros
    that the kernel has not made yet. A copy would be."""
    script = f"""
import resource, numpy as np, partita
rows = 2 * 2**30 // ({columns} * np.dtype("{dtype}").itemsize)
z = np.zeros((rows, {columns}), "{dtype}")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert np.allclose(partita.log_sum_exp(z[::-1]), np.log({columns}), rtol=1e-6)
assert len(partita.gumbel_max(z, seed=1, threads=2)) == rows
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    if available_memory() < 3 or resource.getrlimit(resource.RLIMIT_AS)[0] != -1:
        pytest.skip("needs 3 GB of memory")
    grown = float(subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout)
    assert grown < 64


REFUSED: list[tuple[Any, type[Exception], str]] = [
    (np.array([1, 2, 3]), ValueError, r"logits: elements are int64, expected floating-point numbers: convert"),
    ([1, 2, 3], ValueError, "int64.*convert"),
    (np.array([True]), ValueError, "bool"),
    (np.array([1.0, None]), ValueError, "elements are object"),
    (np.array(["1.5"]), ValueError, "elements are <U3"),
    ("1.5", ValueError, "logits: "),
    (b"1.5", ValueError, "logits: "),
    (None, ValueError, "elements are object"),
    ({}, ValueError, "elements are object"),
    ([[1.0, 2.0], [1.0]], ValueError, "lists of equal lengths"),
    (np.array([1j]), ValueError, "complex128"),
    (np.float64(1.0), ValueError, "one dimension or more"),
    (1.5, ValueError, "one dimension or more"),
    (np.zeros((3, 0)), ValueError, r"one category or more, got shape \(3, 0\)"),
    (np.zeros(0), ValueError, "one category or more"),
    ([], ValueError, "one category or more"),
    (np.ma.array([1.0, 2.0], mask=[0, 1]), ValueError, "is a masked array"),
    (np.zeros(3, np.longdouble), ValueError, "float128"),
    (np.array([1.0, np.nan]), ValueError, "logits: row 0: .*NaN.*column 1"),
    (np.array([[0.0, 1.0], [np.inf, 1.0]]), ValueError, r"row 1: .*inf"),
    (Producer("nothing"), Exception, ""),
]


@pytest.mark.parametrize("given,error,message", REFUSED, ids=lambda x: None)
def test_refused_with_one_line(given: Any, error: type[Exception], message: str) -> None:
    for call in (partita.log_sum_exp, partita.softmax, lambda z: partita.gumbel_top_k(z, 1, seed=1)):
        with pytest.raises(error, match=message) as caught:
            call(given)
        assert "\n" not in str(caught.value) or isinstance(given, Producer)


def test_torch_tensors_that_are_refused(torch: Any) -> None:
    with pytest.raises(ValueError, match=r"requires a gradient.*tensor\.detach\(\)"):
        partita.gumbel_max(torch.zeros(3, requires_grad=True), seed=1)
    with pytest.raises(ValueError, match=r"int64.*tensor\.float\(\)"):
        partita.softmax(torch.arange(3))
    with pytest.raises(ValueError, match=r"logits: is on device meta, expected the CPU: pass tensor\.cpu\(\)"):
        partita.softmax(torch.zeros(3, device="meta"))
    with pytest.raises(ValueError, match="logits: "):
        partita.softmax(torch.zeros(3).to_sparse())


def test_another_device_is_refused(torch: Any) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    with pytest.raises(ValueError, match=r"device cuda:0, expected the CPU: pass tensor\.cpu\(\)"):
        partita.softmax(torch.zeros(3, device="cuda"))


@pytest.mark.parametrize(
    "arguments,error,message",
    [
        ({"seed": -1}, ValueError, "seed: expected 0..18446744073709551615, got -1"),
        ({"seed": 2**64}, ValueError, "seed: expected"),
        ({"seed": 1.0}, TypeError, "seed: expected an integer, got float"),
        ({"seed": None}, TypeError, "seed: expected an integer"),
        ({}, TypeError, "seed"),
        ({"seed": 1, "k": 0}, ValueError, "k: expected 1..4"),
        ({"seed": 1, "k": 5}, ValueError, "k: expected 1..4"),
        ({"seed": 1, "k": -1}, ValueError, "k: expected"),
        ({"seed": 1, "k": "3"}, TypeError, "k: expected an integer, got str"),
        ({"seed": 1, "threads": 0}, ValueError, "threads: expected 1 or more"),
        ({"seed": 1, "threads": -1}, ValueError, "threads"),
        ({"seed": 1, "stream": -1}, ValueError, "stream: expected"),
        ({"seed": 1, "stream": [1, 2]}, ValueError, r"stream: expected an integer, or 3 \(one for each row\)"),
        ({"seed": 1, "stream": [1, 2, -3]}, ValueError, "stream: expected integers of 0 or more"),
        ({"seed": 1, "stream": [1.0, 2.0, 3.0]}, ValueError, "stream: elements are float64, expected integers"),
    ],
)
def test_numbers_out_of_range(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        partita.gumbel_top_k(np.zeros((3, 4)), arguments.pop("k", 1), **arguments)
    assert "\n" not in str(caught.value)


def test_numpy_and_torch_integers(torch: Any) -> None:
    z = np.zeros((3, 9))
    expected = partita.gumbel_top_k(z, 4, seed=5, stream=6).indices
    given = partita.gumbel_top_k(z, np.int32(4), seed=np.uint64(5), stream=np.int8(6), threads=np.int64(2)).indices
    np.testing.assert_array_equal(given, expected)
    for each in ([6, 7, 8], np.array([6, 7, 8], np.uint16), torch.tensor([6, 7, 8])):
        np.testing.assert_array_equal(partita.gumbel_top_k(z, torch.tensor(4), seed=5, stream=each).indices, expected)
    assert partita.gumbel_max(z, seed=2**64 - 1).shape == (3,)
