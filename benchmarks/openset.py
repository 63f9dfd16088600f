#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Open-set training, over seeds: the tables of results/openset.md.

    benchmarks/openset.py PARTITA plane [--seeds 5] [option of openset train ...]
    benchmarks/openset.py PARTITA images MNIST NOTMNIST [--seeds 5] [option of openset train ...]

plane: two Gaussians. images: digits 0-4 are known; the unknown are the digits 5-9 of the test set and
the letters of notMNIST. Each row is a way to train, each cell the mean over seeds and half its 95 %
interval (Student's).
"""

import argparse
import json
import math
import statistics
import subprocess

# Student's t at 97.5 %, by degrees of freedom.
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}

BOTH = ["--loss", "joint", "--entropy-weight"]
PLANE = {
    "cross-entropy": [],
    "given: 100 points in [−50, 50]²": ["--loss", "confidence", "--out-set", "far"],
    "given: 100 points in [−20, 20]²": ["--loss", "confidence", "--out-set", "near"],
    "given: the border": ["--loss", "confidence", "--out-set", "border"],
    "given: a box": ["--loss", "confidence", "--out-set", "box"],
    "given: the shell": ["--loss", "confidence", "--out-set", "shell"],
    "given: the shell, 16,000 steps": ["--loss", "confidence", "--out-set", "shell", "--steps", "16000"],
    "held after a box, β = 3": ["--loss", "held", "--beta", "3", "--generator-loss", "saturating"],
    "joint": ["--loss", "joint"],
    "joint, entropy 1": [*BOTH, "1"],
    "joint, entropy 2": [*BOTH, "2"],
    "joint, pull-away 1": [*BOTH, "1", "--entropy", "pull-away"],
    "joint, fence": ["--loss", "joint", "--generator-loss", "fence"],
    "joint, fence, entropy 1": [*BOTH, "1", "--generator-loss", "fence"],
    "reject, given the border": ["--loss", "confidence", "--out-set", "border", "--reject"],
    "reject, given the shell": ["--loss", "confidence", "--out-set", "shell", "--reject"],
    "reject, joint, entropy 1": [*BOTH, "1", "--reject"],
}
IMAGES = {
    "cross-entropy": [],
    "joint": ["--loss", "joint"],
    "joint, entropy 1/784": [*BOTH, "0.00128"],
    "joint, pull-away 1": [*BOTH, "1", "--entropy", "pull-away"],
    "joint, fence": ["--loss", "joint", "--generator-loss", "fence"],
    "shell of features": ["--loss", "confidence", "--out-set", "shell"],
    "shell of features, β = .1 after 240 steps": ["--loss", "confidence", "--out-set", "shell", "--beta", "0.1",
                                                  "--warm-up", "240"],
    "given digits 5-9": ["--loss", "confidence"],
    "given letters": ["--loss", "confidence", "--out-set", None],
}


def cell(values, digits):
    if len(values) < 2:
        return f"{values[0]:.{digits}f}"
    half = STUDENT[len(values) - 1] * statistics.stdev(values) / math.sqrt(len(values))
    return f"{statistics.mean(values):.{digits}f} ± {half:.{digits}f}"


def merged(options, flags):
    """The options of all runs, without those that a way has its own value for."""
    out = list(options)
    for flag in flags:
        if flag.startswith("--") and flag in out:
            place = out.index(flag)
            del out[place:place + 2]
    return [*out, *flags]


def train(partita, seed, flags):
    command = [partita, "openset", "train", "--seed", str(seed), "--json", *flags]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["variants"][0]


def plane(arguments, options):
    print("| trained by | 4 to 6 deviations off | 50 off | accuracy | generated outside | of 32 directions |")
    print("| --- | --- | --- | --- | --- | --- |")
    for way, flags in PLANE.items():
        runs = [train(arguments.partita, seed, ["--data", "toy", *merged(options, flags)])
                for seed in range(arguments.seeds)]
        columns = [("confidence_around_classes", 3), ("confidence_far_away", 3), ("accuracy", 4),
                   ("generated_outside", 2), ("generated_directions", 1)]
        cells = [cell([run[key] for run in runs], digits) if key in runs[0] else ""
                 for key, digits in columns]
        print(f"| {way} | " + " | ".join(cells) + " |", flush=True)


def images(arguments, options):
    print("| trained by | accuracy | unknown | AUROC | TNR at 95 % TPR | mean confidence |")
    print("| --- | --- | --- | --- | --- | --- |")
    for way, flags in IMAGES.items():
        flags = [arguments.notmnist if flag is None else flag for flag in flags]
        data = ["--data", arguments.mnist, "--known", "0-4", "--unknown", "5-9", "--evaluate",
                arguments.notmnist]
        runs = [train(arguments.partita, seed, [*data, *merged(options, flags)])
                for seed in range(arguments.seeds)]
        accuracy = cell([run["accuracy"] for run in runs], 4)
        sets = [d["set"] for d in runs[0]["detection"] if d["score"] == "msp"]
        for place, name in enumerate(sets):
            if arguments.notmnist in flags and place == 1:
                continue  # the very images that it was given
            found = [d for run in runs for d in run["detection"]
                     if d["set"] == name and d["score"] == "msp"]
            sure = [run["confidence"][1 + place]["mean"] for run in runs]
            print(f"| {way} | {accuracy} | {name} | {cell([d['auroc'] for d in found], 3)} "
                  f"| {cell([d['tnr_at_95_tpr'] for d in found], 3)} | {cell(sure, 3)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("partita")
    kinds = parser.add_subparsers(dest="kind", required=True)
    for name, run in (("plane", plane), ("images", images)):
        kind = kinds.add_parser(name)
        if name == "images":
            kind.add_argument("mnist")
            kind.add_argument("notmnist")
        kind.add_argument("--seeds", type=int, default=5)
        kind.set_defaults(run=run)
    arguments, options = parser.parse_known_args()
    arguments.run(arguments, options)


if __name__ == "__main__":
    main()
