# SPDX-License-Identifier: Apache-2.0
"""partita.h from Python's ctypes, with nothing but the library: python3 from_python_test.py LIBRARY"""

import ctypes as c
import math
import sys

lib = c.CDLL(sys.argv[1])
OK, END, INVALID_ARGUMENT, CALLBACK_FAILED = 0, 1, 2, 3
F32, F64 = 0, 1


class Error(c.Structure):
    _fields_ = [("message", c.c_char * 512)]


class Rows(c.Structure):
    _fields_ = [
        ("data", c.c_void_p),
        ("dtype", c.c_int32),
        ("rows", c.c_size_t),
        ("columns", c.c_size_t),
        ("row_stride", c.c_ssize_t),
        ("column_stride", c.c_ssize_t),
    ]


class Stream(c.Structure):
    _fields_ = [("seed", c.c_uint64), ("id", c.c_uint64), ("path", c.c_uint64 * 3)]


class Options(c.Structure):
    _fields_ = [
        ("max_length", c.c_size_t),
        ("threads", c.c_int32),
        ("batch", c.c_size_t),
        ("filter", c.c_void_p),
    ]


class Hypothesis(c.Structure):
    _fields_ = [
        ("tokens", c.POINTER(c.c_int32)),
        ("length", c.c_size_t),
        ("finished", c.c_int32),
        ("log_prob", c.c_double),
        ("perturbed", c.c_double),
        ("weight", c.c_double),
    ]


NextLogits = c.CFUNCTYPE(
    c.c_int32,
    c.c_void_p,
    c.c_void_p,
    c.c_size_t,
    c.POINTER(c.POINTER(c.c_int32)),
    c.POINTER(c.c_size_t),
    c.POINTER(c.c_double),
    c.POINTER(Error),
)

lib.partita_version.restype = c.c_char_p
lib.partita_hypotheses_size.restype = c.c_size_t
lib.partita_hypotheses_data.restype = c.POINTER(Hypothesis)
lib.partita_hypotheses_threshold.restype = c.c_double
lib.partita_importance_weight.restype = c.c_double
for name in ("size", "data", "threshold", "destroy"):
    getattr(lib, "partita_hypotheses_" + name).argtypes = [c.c_void_p]
lib.partita_importance_weight.argtypes = [c.c_double, c.c_double]
lib.partita_sampler_set.argtypes = [c.c_void_p, c.c_char_p, c.c_double, c.POINTER(Error)]


class Failure(Exception):
    pass


def call(function, *arguments, expected=OK):
    error = Error()
    status = function(*arguments, c.byref(error))
    message = error.message.decode()
    if status != expected:
        raise Failure(f"status {status}: {message}")
    return message


def make(function, *arguments):
    handle = c.c_void_p()
    call(function, *arguments, c.byref(handle))
    return handle


def draw(sampler, logits, seed):
    row = (c.c_float * len(logits))(*logits)
    rows = Rows(c.addressof(row), F32, 1, len(logits), len(logits), 1)
    token = c.c_int64(-2)
    call(
        lib.partita_sample,
        c.byref(rows),
        c.byref(sampler),
        c.byref(Stream(seed=seed)),
        1,
        c.byref(token),
    )
    return token.value


def test_sampler():
    sampler = make(lib.partita_sampler_create)
    call(lib.partita_sampler_set, sampler, b"temperature", 2.0)
    logits = [2 * math.log(p) for p in (0.5, 0.3, 0.2)]
    n = 20000
    tokens = [draw(sampler, logits, seed) for seed in range(n)]
    assert tokens[:100] == [draw(sampler, logits, seed) for seed in range(100)]
    chi_square = sum(
        (tokens.count(i) - n * p) ** 2 / (n * p) for i, p in enumerate((0.5, 0.3, 0.2))
    )
    assert chi_square < 27.7, chi_square  # two degrees of freedom, one in a million
    message = call(
        lib.partita_sampler_set, sampler, b"heat", 1.0, expected=INVALID_ARGUMENT
    )
    assert message.startswith("heat: no such setting"), message
    lib.partita_sampler_destroy(sampler)


def test_search():
    """Words over {a, b} whose end, 2, has half of the probability of each token."""

    def next_logits(context, state, rows, prefixes, lengths, logits, error):
        for i in range(rows):
            prefix = prefixes[i][: lengths[i]]
            if prefix == [1, 1, 1]:
                error[0].message = b"never three of them"
                return 1
            logits[3 * i], logits[3 * i + 1], logits[3 * i + 2] = 0.0, math.log(3), math.log(4)
        return 0

    callback = NextLogits(next_logits)
    model = make(lib.partita_model_create, c.c_size_t(3), 2, F64, callback, None)
    options = Options(3, 1, 0, None)
    stream = Stream(seed=5)

    def search(k):
        found = make(
            lib.partita_stochastic_beam_search,
            model,
            None,
            c.c_size_t(0),
            c.c_size_t(k),
            c.byref(stream),
            c.byref(options),
        )
        data = lib.partita_hypotheses_data(found)
        sequences = [
            (tuple(h.tokens[: h.length]), h.log_prob, h.perturbed, h.weight)
            for h in data[: lib.partita_hypotheses_size(found)]
        ]
        threshold = lib.partita_hypotheses_threshold(found)
        lib.partita_hypotheses_destroy(found)
        return sequences, threshold

    sequences, threshold = search(100)
    assert len(sequences) == 15 and threshold == -math.inf
    for tokens, log_prob, _, _ in sequences:
        ends = len(tokens) < 3
        p = math.prod((1, 3)[token] / 8 for token in tokens) * (0.5 if ends else 1)
        assert abs(log_prob - math.log(p)) < 1e-12
    fewer, threshold = search(4)
    assert [s[:3] for s in fewer] == [s[:3] for s in sequences[:4]]
    assert abs(threshold - sequences[4][2]) < 1e-12
    for _, log_prob, _, weight in fewer:
        assert weight == lib.partita_importance_weight(log_prob, threshold)

    # Without replacement: the law of the first two, over seeds.
    n = 4000
    firsts = {}
    for seed in range(n):
        stream.seed = seed
        pair = tuple(s[0] for s in search(2)[0])
        firsts[pair] = firsts.get(pair, 0) + 1
    p = {tokens: math.exp(log_prob) for tokens, log_prob, _, _ in sequences}
    chi_square = rest = rest_expected = degrees = 0
    for a in p:
        for b in p:
            expected = n * p[a] * p[b] / (1 - p[a]) if a != b else 0
            seen = firsts.pop((a, b), 0)
            if expected < 20:
                rest, rest_expected = rest + seen, rest_expected + expected
            else:
                chi_square += (seen - expected) ** 2 / expected
                degrees += 1
    chi_square += (rest - rest_expected) ** 2 / rest_expected
    ninth = 2 / (9 * degrees)  # Wilson and Hilferty (1931); 4.75: one in a million
    assert degrees > 15 and not firsts
    assert chi_square < degrees * (1 - ninth + 4.75 * math.sqrt(ninth)) ** 3, chi_square

    options.max_length = 5
    message = call(
        lib.partita_beam_search,
        model,
        None,
        c.c_size_t(0),
        c.c_size_t(40),
        c.c_double(0),
        0,
        c.byref(options),
        c.byref(c.c_void_p()),
        expected=CALLBACK_FAILED,
    )
    assert message == "never three of them", message
    lib.partita_model_destroy(model)


assert lib.partita_version().count(b".") == 2
test_sampler()
test_search()
