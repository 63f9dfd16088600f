#!/usr/bin/python3
"""Open-set training, over seeds: the table of results/openset.md.

    benchmarks/openset.py PARTITA MNIST NOTMNIST [--seeds 3] [option of openset train ...]

Digits 0-4 are known; the unknown are the digits 5-9 of the test set and the letters of notMNIST.
Each row is a way to train, each cell the mean and standard deviation over seeds.
"""

import argparse
import json
import statistics
import subprocess

WAYS = {
    "cross-entropy": ["--loss", "cross-entropy"],
    "joint": ["--loss", "joint"],
    "confidence, given digits 5-9": ["--loss", "confidence"],
    "confidence, given letters": ["--loss", "confidence", "--out-set", None],
}


def cell(values, digits=4):
    spread = statistics.stdev(values) if len(values) > 1 else 0
    return f"{statistics.mean(values):.{digits}f} ± {spread:.{digits}f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("partita")
    parser.add_argument("mnist")
    parser.add_argument("notmnist")
    parser.add_argument("--seeds", type=int, default=3)
    arguments, options = parser.parse_known_args()

    print("| trained by | accuracy | unknown | AUROC | TNR at 95 % TPR | mean confidence |")
    print("| --- | --- | --- | --- | --- | --- |")
    for way, flags in WAYS.items():
        flags = [arguments.notmnist if flag is None else flag for flag in flags]
        runs = []
        for seed in range(arguments.seeds):
            command = [arguments.partita, "openset", "train", "--data", arguments.mnist,
                       "--known", "0-4", "--unknown", "5-9", "--evaluate", arguments.notmnist,
                       "--seed", str(seed), "--json", *flags, *options]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
            runs.append(json.loads(done.stdout)["variants"][0])
        accuracy = cell([run["accuracy"] for run in runs])
        sets = [d["set"] for d in runs[0]["detection"] if d["score"] == "msp"]
        for place, name in enumerate(sets):
            if arguments.notmnist in flags and place == 1:
                continue  # the very images that it was given
            found = [d for run in runs for d in run["detection"]
                     if d["set"] == name and d["score"] == "msp"]
            sure = [run["confidence"][1 + place]["mean"] for run in runs]
            print(f"| {way} | {accuracy} | {name} | {cell([d['auroc'] for d in found])} "
                  f"| {cell([d['tnr_at_95_tpr'] for d in found])} | {cell(sure)} |", flush=True)


if __name__ == "__main__":
    main()
