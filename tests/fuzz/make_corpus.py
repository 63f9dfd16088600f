#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of tests/fuzz/corpus: one small file of every kind that a target reads.

    tests/fuzz/make_corpus.py build/release/apps/partita

Files that it does not write, found-*, are what the fuzzers have found.
"""
import gzip
import io
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import zipfile

partita = pathlib.Path(sys.argv[1]).resolve()
corpus = pathlib.Path(__file__).parent / "corpus"
rng = random.Random(1)


def write(target, files):
    folder = corpus / target
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def run(*words):
    subprocess.run([partita, *map(str, words)], check=True, capture_output=True)


def npy(descr, shape, data, version=1, fortran=False):
    text = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + data


f4 = npy("'<f4'", "(3, 4)", struct.pack("<12f", *range(12)))
i8 = npy("'<i8'", "(3,)", struct.pack("<3q", 0, 2, 1))
u1 = npy("'|u1'", "(2, 2, 2, 3)", bytes(range(24)))
arrays = {
    "f4": f4,
    "f8": npy("'<f8'", "(2,)", struct.pack("<2d", 1, -2), version=2),
    "f2": npy("'<f2'", "(1, 4)", bytes(8), version=3, fortran=True),
    "big-endian": npy("'>i8'", "(1, 2)", struct.pack(">2q", 1, 2)),
    "fortran": npy("'<f4'", "(2, 3)", struct.pack("<6f", *range(6)), fortran=True),
    "bool": npy("'|b1'", "(3, 1)", b"\0\1\1"),
    "record": npy("[('a', '|b1')]", "()", b"\0"),
    "labels": i8,
}
write("npy", arrays)


def npz(members, method):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


stored = npz({"x.npy": f4, "y.npy": i8}, zipfile.ZIP_STORED)
deflated = npz({"x.npy": f4}, zipfile.ZIP_DEFLATED)
write("npz", {"stored": stored, "deflated": deflated, "made": bytes(rng.randbytes(200))})
write("color_images", {
    "npz": npz({"images.npy": u1, "labels.npy": npy("'|u1'", "(2,)", b"\1\3")}, zipfile.ZIP_DEFLATED),
    "cifar10": b"\7" + bytes(3072), "cifar100": b"\1\7" + bytes(3072)})


def safetensors(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


one = safetensors({"z": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}, bytes(24))
write("safetensors", {
    "one": one,
    "two": safetensors({"__metadata__": {"a": "b"},
                        "x": {"dtype": "BF16", "shape": [1, 2], "data_offsets": [0, 4]},
                        "y": {"dtype": "I64", "shape": [2], "data_offsets": [4, 20]}}, bytes(20)),
    "fp8": safetensors({"x": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}, b"\0\0")})

idx = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 2, 3) + bytes(12)
write("idx", {"images": idx, "labels": bytes([0, 0, 8, 1]) + struct.pack(">I", 3) + b"\0\1\2",
              "gzip": gzip.compress(idx, mtime=0)})
tables = {"plain": "1,2\n3,4.5\n", "heading": "a,b\n1,-2e3\n", "pandas": ",0,1,2\n0,1.5,2,3\n1,4,5,6\n",
          "quoted": '"1", "nan"\r\n# comment\n\ninf , -inf\n', "column": "1\n2\n0\n"}
write("csv", tables)
write("array_file", {
    "npy": bytes([0]) + f4, "npz": bytes([1]) + deflated, "safetensors": bytes([2]) + one,
    "csv": bytes([3]) + tables["plain"].encode(), "pipe": bytes([4]) + i8,
    "npy.gz": bytes([5]) + gzip.compress(i8, mtime=0), "csv.gz": bytes([7]) + gzip.compress(b"1\n2\n", mtime=0),
    "named": bytes([8]) + stored})
floats = struct.pack("<2f", 1, -0.5)
write("word_vectors", {
    "text": b"\0" + b"2 2\nthe 1 -0.5\ncaf\xc3\xa9 0 1e-3\n", "glove": b"\1" + b"the 1 2\na b 3 4\nthe 5 6\n",
    "binary": b"\2" + b"2 2\nthe " + floats + b"\nof " + floats + b"\n",
    "gensim": b"\0" + b"2 2\nthe " + floats + b"of " + floats,
    "cut": b"\1" + b"1 2\ncaf\xc3 1 2\n"})
texts = {"ascii": "the old whale\nthe sea\n", "utf8": "caf\u00e9 \u4e2d\u6587 \U0001f40b\nna\u00efve\n",
         "crlf": "\ufeffa b\r\n\r\n b\tc\r\n", "latin1": b"caf\xe9\n"}
write("text_units", texts)
write("pattern", {f"{i}": bytes([len(text)]) + text.encode() + expression.encode()
                  for i, (text, expression) in enumerate([
                      ("aab", "(a|b)*"), ("2024-05", r"\d{4}-\d{2}"), ("\u00e9x", "(?i)\u00c9."),
                      ("abc", r"(?=a)\w+"), ("aa", r"(a)\1"), ('{"a":1}', r'\{"a":\d+\}'), ("", "x?")])})
write("settings", {
    "filters": json.dumps({"temperature": 0.7, "top_k": 5, "top_p": 0.9, "min_p": 0.01, "typical_p": 0.8,
                           "order": ["top_k", "top_p", "temperature"]}),
    "penalties": json.dumps({"history": [1, 2, 1], "repeat_penalty": 1.2, "no_repeat_ngram": 2,
                             "dry_multiplier": 0.8, "dry_breakers": [3], "logit_bias": [[1, -2.5], [2, "-inf"]]}),
    "states": json.dumps({"mirostat": 2, "mirostat_tau": 3, "mirostat_mu": 6.5, "allowed": [0, 3, 5],
                          "xtc_probability": 0.5, "p_less": True}),
    "wrong": '{"top_k": "five"}', "cut": '{"top_k": 5'})
for target, size in {"rows": 300, "filters": 200, "scalars": 120, "checkpoint": 9}.items():
    write(target, {f"{i}": bytes(rng.randbytes(size)) for i in range(4)})

with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    for key, data in {**texts, "z.csv": "\n".join(f"{r % 3 + .5},{r % 2},{r % 5 / 4}" for r in range(60)),
                      "y.csv": "\n".join(str((r * r + r // 7) % 3) for r in range(60)),
                      "z2.csv": "\n".join(f"{r % 4 / 2},{r % 5 / 4}" for r in range(60)),
                      "y2.csv": "\n".join(str((r * r + r // 7) % 2) for r in range(60))}.items():
        (folder / key).write_bytes(data if isinstance(data, bytes) else data.encode())
    models = {}
    for key, options in {"1": ["--order", 1], "3": ["--order", 3],
                         "word": ["--order", 2, "--units", "word"]}.items():
        run("lm", "train", folder / ("utf8" if key == "3" else "ascii"), "-o", folder / "m", *options)
        models[key] = (folder / "m").read_bytes()
    write("model", models)
    write("archive", {key: bytes([6, 1, 3, 5, 4, 0, 2, 6]) + data for key, data in models.items()})
    calibrators = {}
    for method in ["temperature", "vector", "matrix", "isotonic", "histogram", "dirichlet", "platt",
                   "beta", "binned-temperature"]:
        two = "2" if method in ("platt", "beta") else ""
        run("calibrate", "fit", folder / f"z{two}.csv", folder / f"y{two}.csv", "-o", folder / "c",
            "--method", method)
        calibrators[method] = (folder / "c").read_bytes()
    write("calibrator", calibrators)
    run("detect", "threshold", "--in", folder / "z.csv", "-o", folder / "t")
    threshold = (folder / "t").read_bytes()
    run("detect", "threshold", "--in", folder / "z.csv", "--score", "energy", "--alpha", ".1", "-o",
        folder / "t")
    write("threshold", {"msp": threshold, "energy": (folder / "t").read_bytes()})
