#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes synthetic_universe.hpp: the synthetic universe of Shi, Bieber, Sutton (ICML 2020).

100 items, probabilities proportional to Exp(1)^3, values Normal(log p, 0.5) shifted to a minimum of
0; numpy's legacy generator with seed 123, as in the notebook of the paper's repository. Run it with
Debian's python3-numpy (the legacy generator is frozen, any version gives the same numbers):

    /usr/bin/python3 tests/golden/make_universe.py > tests/golden/synthetic_universe.hpp
"""

import numpy as np

np.random.seed(123)
probabilities = np.random.exponential(size=100) ** 3
probabilities /= np.sum(probabilities)
values = np.random.normal(loc=np.log(probabilities), scale=0.5)
values -= np.min(values)


def array(name, numbers):
    print(f"inline constexpr std::array<double, {len(numbers)}> {name} = {{")
    for x in numbers:
        print(f"    {float(x)!r},")
    print("};\n")


print("// SPDX-License-Identifier: Apache-2.0")
print("// Made by tests/golden/make_universe.py, which says what it is.")
print("// clang-format off")
print("#pragma once\n\n#include <array>\n")
print("namespace partita::golden {\n")
array("kUniverseProbabilities", probabilities)
array("kUniverseValues", values)
print("}  // namespace partita::golden")
