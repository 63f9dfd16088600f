#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The table of docs/torch_distributions.md: what ours and Python's torch.distributions offer.

    /usr/bin/python3 tests/golden/make_distribution_table.py

Looks at the classes of both (ours as the headers declare them), and rewrites the section "Row by
row" of the page.
"""
import pathlib
import re

import torch
import torch.distributions as td
from torch.distributions import constraints, transforms

ROOT = pathlib.Path(__file__).parents[2]
HEADERS = ROOT / "partita/learn/distributions"
PAGE = ROOT / "docs/torch_distributions.md"
METHODS = ["rsample", "cdf", "icdf", "isf", "entropy", "mean", "mode", "variance",
           "enumerate_support"]


def classes(base_pattern):
    """name -> (its base, the text of its declaration), of all headers."""
    found = {}
    for header in sorted(HEADERS.glob("*.hpp")):
        for match in re.finditer(r"^class (\w+) : public (\w+) \{(.*?)^\};", header.read_text(),
                                 re.M | re.S):
            found[match[1]] = (match[2], match[3])
    return {name: pair for name, pair in found.items() if root(name, found) == base_pattern}


def root(name, found):
    while name in found:
        name = found[name][0]
    return name


def ours():
    found = classes("Distribution")
    table = {}
    for name in found:
        text, base = "", name
        while base in found:
            text += found[base][1]
            base = found[base][0]
        has = {m: f"Tensor {m}(" in text for m in METHODS}
        has["rsample"] = "has_rsample() const override" in text
        has["cdf"] = "do_cdf" in text or "do_log_cdf" in text
        # All that have a CDF have both inverses, by search if not in closed form.
        has["icdf"] = has["isf"] = has["cdf"]
        table[name] = {m for m in METHODS if has[m]}
    return table


def pythons():
    table = {}
    for name in td.__all__:
        kind = getattr(td, name)
        if not isinstance(kind, type) or not issubclass(kind, td.Distribution):
            continue
        if kind in (td.Distribution, td.ExponentialFamily):
            continue
        table[name] = {m for m in METHODS if m not in ("isf", "rsample") and
                       getattr(kind, m) is not getattr(td.Distribution, m)}
        if kind.support is constraints.simplex:
            table[name] -= {"cdf", "icdf"}  # inherited from TransformedDistribution, and an error
        if kind.has_rsample:
            table[name].add("rsample")
    return table


def mark(mine, theirs):
    return {(True, True): "both", (True, False): "ours", (False, True): "Python's",
            (False, False): ""}[mine, theirs]


def names_line(title, mine, theirs):
    lines = [f"{title}, in both: {', '.join(f'`{n}`' for n in sorted(mine & theirs))}."]
    if mine - theirs:
        lines.append(f"Ours alone: {', '.join(f'`{n}`' for n in sorted(mine - theirs))}.")
    if theirs - mine:
        lines.append(f"Python's alone: {', '.join(f'`{n}`' for n in sorted(theirs - mine))}.")
    return "\n".join(lines)


def main():
    mine, theirs = ours(), pythons()
    version = re.match(r"\d+\.\d+", torch.__version__)[0]
    lines = ["## Row by row", "",
             f"Ours and those of Python's torch {version}, made by "
             "`tests/golden/make_distribution_table.py` from the classes of both. `log_prob` and "
             "`sample` are in all.", "",
             "| distribution | in | " + " | ".join(METHODS) + " |",
             "|---|---|" + "---|" * len(METHODS)]
    for name in sorted(mine.keys() | theirs.keys()):
        cells = [mark(m in mine.get(name, ()), m in theirs.get(name, ())) for m in METHODS]
        place = mark(name in mine, name in theirs)
        lines.append(f"| {name} | {place} | " + " | ".join(cells) + " |")
    our_transforms = set(classes("Transform")) - {"InverseTransform", "CachedTransform"}
    if "identity_transform()" in (HEADERS / "transforms.hpp").read_text():
        our_transforms.add("identity_transform")
    their_transforms = {n for n in transforms.__all__ if n not in ("Transform",)}
    our_constraints = set(re.findall(r"^(?:const )?Constraint&? (\w+)\(",
                                     (HEADERS / "constraint.hpp").read_text(), re.M))
    their_constraints = {n for n in constraints.__all__ if n != "Constraint"}
    lines += ["", names_line("Transforms", our_transforms, their_transforms), "",
              names_line("Constraints", our_constraints, their_constraints),
              "(Ours that depend on parameters are given them, so that nothing is `dependent`.)", ""]
    page = PAGE.read_text()
    page = re.sub(r"\n## Row by row\n.*?(?=\n## |\Z)", "", page, flags=re.S).rstrip("\n")
    PAGE.write_text(page + "\n\n" + "\n".join(lines))


main()
