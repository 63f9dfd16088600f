#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes regression.hpp: scikit-learn's logistic and multinomial regression on examples/iris.csv.

Both minimize |weights|^2 / 2 + C * (sum of losses) with C = 1; intercepts are not penalized.
scikit-learn is asked for lbfgs first and newton-cg after: its lbfgs also stops once the loss stays
the same in 9 digits, which no option turns off, and leaves gradients of 1e-4. The two must agree to
1e-3, and newton-cg's answer is kept, with gradients under 1e-9 (its warning is that double precision
ends there). Run it with Debian's python3-sklearn (1.2):

    /usr/bin/python3 tests/golden/make_regression.py > tests/golden/regression.hpp
"""

import csv
import pathlib

import numpy as np
from sklearn.linear_model import LogisticRegression

path = pathlib.Path(__file__).parents[2] / "examples" / "iris.csv"
rows = list(csv.reader(line for line in path.open() if not line.startswith("#")))[1:]
features = np.array([row[:4] for row in rows], dtype=float)
species = np.array([row[4] for row in rows])


def fit(x, y, kind):
    answers = []
    for solver in ("lbfgs", "newton-cg"):
        model = LogisticRegression(
            C=1, solver=solver, tol=1e-10, max_iter=100_000, multi_class=kind
        ).fit(x, y)
        answers.append(np.column_stack([model.coef_, model.intercept_]))
    assert np.abs(answers[0] - answers[1]).max() < 1e-3, np.abs(answers[0] - answers[1]).max()
    return answers[1]


def table(name, weights):
    print(f"inline constexpr std::array<std::array<double, 5>, {len(weights)}> {name} = {{{{")
    for row in weights:
        print("    {" + ", ".join(repr(float(x)) for x in row) + "},")
    print("}};\n")


print("// SPDX-License-Identifier: Apache-2.0")
print("// Made by tests/golden/make_regression.py, which says what it is. Rows: weights, intercept.")
print("// clang-format off")
print("#pragma once\n\n#include <array>\n")
print("namespace partita::golden {\n")
two = species != "setosa"
table("kLogistic", fit(features[two], species[two] == "virginica", "ovr"))
table("kSoftmax", fit(features, species, "multinomial"))
print("}  // namespace partita::golden")
