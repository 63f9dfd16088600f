# SPDX-License-Identifier: Apache-2.0
"""The program in docs/noise.md gives the test vectors: noise_vectors_test.py VECTORS PAGE [--write]"""
import re
import sys
from pathlib import Path

vectors, page = map(Path, sys.argv[1:3])
exec(re.search(r"```python\n(.*?)```", page.read_text(), re.DOTALL)[1])


def rows():
    for seed, stream in ((0, 0), (1, 7), (2**64 - 1, 2**63 + 5)):
        for children in ([], [0], [3], [1000, 2], [2**32, 15, 16, 255]):
            for category in (0, 1, 2, 3, 4, 42, 511, 512, 131071, 2**32 - 1):
                bits = noise_bits(seed, stream, children, category)
                path = ".".join(map(str, children))
                yield f"{seed}\t{stream}\t{path}\t{category}\t{bits:016x}\t{gumbel(bits)!r}"


text = "\n".join(["seed\tstream\tchildren\tcategory\tbits\tgumbel", *rows(), ""])
if "--write" in sys.argv:
    vectors.write_text(text)
for one, other in zip(text.splitlines(), vectors.read_text().splitlines(), strict=True):
    (*exact, g), (*expected, h) = one.split("\t"), other.split("\t")
    assert exact == expected, f"{one}\nexpected {other}"
    assert g == h or abs(float(g) - float(h)) <= 1e-15 * abs(float(h)) + 1e-300, f"{one}\nexpected {other}"
