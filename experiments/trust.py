#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sets, scores and temperatures on real data, over seeds: the tables of benchmarks/results/trust.md.

    PYTHONPATH=build/release/python experiments/trust.py conformal densenet-bc-100-cifar-100.npz
    PYTHONPATH=build/release/python experiments/trust.py shift densenet-bc-100-cifar-100.npz
    PYTHONPATH=build/release/python experiments/trust.py fusion MNIST NOTMNIST
    PYTHONPATH=build/release/python experiments/trust.py tokens NOVELS.txt.gz WIKITEXT2-VALID.txt.gz

Needs numpy, scipy and scikit-learn. A cell with ± is the mean over seeds and half its 95 % interval
(Student's); splits of the same rows are not independent, so that intervals over them are of the splits alone.
"""

import argparse
import gzip
import warnings

import numpy as np
import scipy.stats

import partita
from partita.calibration import SplitConformal, compare_calibrators
from partita.detection import Detector, ScoreFusion, conformal_threshold, detection_metrics

ALPHA = 0.1


def cell(values, digits=3):
    half = scipy.stats.t.ppf(0.975, len(values) - 1) * scipy.stats.sem(values)
    return f"{np.mean(values):.{digits}f} ± {half:.{digits}f}"


def row(*cells):
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def header(*cells):
    row(*cells)
    row(*["---"] * len(cells))


def halves(path, seed):
    """Log-probabilities and labels of a network's outputs: half to fit to, half to test on."""
    with np.load(path) as outputs:
        logits, labels = np.log(outputs["predictions"]), outputs["ground_truth"].ravel()
    order = np.random.default_rng(seed).permutation(len(labels))
    first, second = np.array_split(order, 2)
    return (logits[first], labels[first]), (logits[second], labels[second])


def held(sets, labels):
    return np.array([label in each for each, label in zip(sets, labels)])


def inside(hits, rows, fitted):
    """Whether hits of so many rows are in the middle 95 % of their law: beta-binomial, as the threshold is the
    ceil((n + 1)(1 - alpha))-th smallest of n scores."""
    rank = np.ceil((fitted + 1) * (1 - ALPHA))
    law = scipy.stats.betabinom(rows, rank, fitted + 1 - rank)
    return (law.cdf(hits) >= 0.025) & (law.sf(hits - 1) >= 0.025)


def conformal(arguments):
    header("score", "coverage", "held, all rows", "splits inside", "classes inside", "least held class",
           "mean distance of classes", "classes in a set")
    for score, penalty in ("lac", None), ("aps", None), ("raps", None), ("saps", 0.01), ("saps", None):
        for coverage in ("marginal", "class-conditional", "clustered"):
            shares, splits, classes, sizes, by_class = [], [], [], [], []
            for seed in range(arguments.seeds):
                (z, y), (new_z, new_y) = halves(arguments.outputs, seed)
                predictor = SplitConformal(seed=seed, score=score, penalty=penalty, alpha=ALPHA,
                                           coverage=coverage).fit(z, y)
                sets = predictor.predict_sets(new_z)
                hits = held(sets, new_y)
                count = np.bincount(new_y)
                of_class = np.bincount(new_y, weights=hits)
                shares.append(hits.mean())
                splits.append(inside(hits.sum(), len(hits), len(y)))
                classes.append(inside(of_class, count, np.bincount(y)).mean())
                by_class.append(of_class / count)
                sizes.append(np.mean([len(each) for each in sets]))
            of_class = np.mean(by_class, axis=0)
            row(f"{score}, penalty {penalty}" if penalty else score, coverage, cell(shares), f"{sum(splits)} of {arguments.seeds}" if coverage == "marginal" else "", cell(classes),
                f"{of_class.min():.3f}", f"{np.abs(of_class - (1 - ALPHA)).mean():.3f}", cell(sizes, 2))


def shift(arguments):
    """New rows are those of the second half that a coin of probability exp(H - max H) keeps, H their entropy."""
    from sklearn.linear_model import LogisticRegression

    found = {name: ([], []) for name in ("none", "exact", "odds of a logistic regression on H")}
    effective, rows = [], []
    for seed in range(arguments.seeds):
        (z, y), (new_z, new_y) = halves(arguments.outputs, seed)
        entropy, new_entropy = partita.entropy(z), partita.entropy(new_z)
        keep = np.random.default_rng(1000 + seed).random(len(new_y)) < np.exp(new_entropy - new_entropy.max())
        new_z, new_y, new_entropy = new_z[keep], new_y[keep], new_entropy[keep]
        both = np.concatenate([entropy, new_entropy])[:, None]
        is_new = np.repeat([0, 1], [len(y), len(new_y)])
        classifier = LogisticRegression(C=1e6).fit(both, is_new)
        odds = np.exp(classifier.decision_function(both))
        weights = {"none": (None, None), "exact": (np.exp(entropy), np.exp(new_entropy)),
                   "odds of a logistic regression on H": (odds[is_new == 0], odds[is_new == 1])}
        for name, (weight, new_weight) in weights.items():
            predictor = SplitConformal(seed=seed, alpha=ALPHA).fit(z, y, sample_weight=weight)
            sets = predictor.predict_sets(new_z, sample_weight=new_weight)
            found[name][0].append(held(sets, new_y).mean())
            found[name][1].append(np.mean([len(each) for each in sets]))
        weight = weights["exact"][0]
        effective.append(weight.sum() ** 2 / (weight ** 2).sum())
        rows.append(len(new_y))
    header("weights", "held", "classes in a set")
    for name, (shares, sizes) in found.items():
        row(name, cell(shares), cell(sizes, 2))
    n, m = np.mean(effective), np.mean(rows)
    half = 1.96 * np.sqrt(ALPHA * (1 - ALPHA) * (1 / n + 1 / m))
    print(f"\n{n:.0f} of {len(y)} held-out rows count, {m:.0f} new ones: one split is in "
          f"{1 - ALPHA - half:.3f} to {1 - ALPHA + half:.3f} 95 % of the time")


def read_idx(path):
    with gzip.open(path) as file:
        data = file.read()
    shape = np.frombuffer(data, ">i4", data[3], 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def digits(folder, part):
    images = read_idx(f"{folder}/{part}-images-idx3-ubyte.gz")
    return images.reshape(len(images), -1) / np.float32(255), read_idx(f"{folder}/{part}-labels-idx1-ubyte.gz")


def fusion(arguments):
    """Digits 0-4 are known. Weights are fitted on the digits 5-9 as the unknown, tested on others and on letters."""
    from sklearn.neural_network import MLPClassifier

    images, labels = digits(arguments.mnist, "train")
    test_images, test_labels = digits(arguments.mnist, "t10k")
    letters = digits(arguments.notmnist, "t10k")[0]
    names = ["energy", "knn", "mahalanobis", "vim"]
    found = {(unknown, name): ([], []) for unknown in ("digits 5-9", "letters") for name in [*names, "fused"]}
    rejected = {name: [] for name in ("known", "digits 5-9", "letters")}
    accuracy, weights = [], []
    for seed in range(arguments.seeds):
        order = np.random.default_rng(seed).permutation(len(labels))
        known, unknown = order[labels[order] < 5], order[labels[order] >= 5]
        train, weigh, threshold = known[:20_000], known[20_000:24_000], known[24_000:28_000]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ten epochs are not meant to converge
            network = MLPClassifier((128,), max_iter=10, random_state=seed).fit(images[train], labels[train])
        (w0, w1), (b0, b1) = network.coefs_, network.intercepts_
        rows = {"train": images[train], "weigh": images[weigh], "other": images[unknown[:4000]],
                "threshold": images[threshold], "known": test_images[test_labels < 5],
                "digits 5-9": test_images[test_labels >= 5], "letters": letters}
        rows = {name: np.maximum(0, x @ w0 + b0) for name, x in rows.items()}
        accuracy.append(np.mean((rows["known"] @ w1 + b1).argmax(1) == test_labels[test_labels < 5]))
        scores = {name: {} for name in rows}
        for name in names:
            detector = Detector(name, layer=(w1.T.copy(), b1)).fit(rows["train"], labels[train])
            for part, x in rows.items():
                if part != "train":
                    scores[part][name] = detector.score_samples(x)
        fused = ScoreFusion().fit({name: (scores["weigh"][name], scores["other"][name]) for name in names})
        for part in scores:
            if part != "train":
                scores[part]["fused"] = fused.score_samples(scores[part])
        weights.append(list(fused.weights_.values()))
        for (part, name), (auroc, fpr) in found.items():
            metrics = detection_metrics(scores["known"][name], scores[part][name], positive="in")
            auroc.append(metrics.auroc)
            fpr.append(metrics.fpr_at_95_tpr)
        limit = conformal_threshold(scores["threshold"]["fused"], 0.05)
        for part, shares in rejected.items():
            shares.append(np.mean(scores[part]["fused"] < limit))
    header("unknown", "score", "AUROC", "FPR at 95 % TPR")
    for (part, name), (auroc, fpr) in found.items():
        row(part, name, cell(auroc, 4), cell(fpr))
    n, m = len(threshold), np.sum(test_labels < 5)
    half = 1.96 * np.sqrt(0.05 * 0.95 * (1 / n + 1 / m))
    print(f"\nAccuracy {cell(accuracy, 4)}. Rejected by the threshold of alpha = 0.05: "
          + ", ".join(f"{cell(shares)} of {part}" for part, shares in rejected.items())
          + f" (expected of the known, in 95 % of the runs: {0.05 - half:.3f} to {0.05 + half:.3f}).")


def read_lines(path):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [line for line in map(str.strip, file) if line]


def tokens(arguments):
    """An n-gram model of subword units, and the next token of its own kind of text and of another."""
    train, valid = read_lines(arguments.train), read_lines(arguments.valid)
    if len(train) == 1:  # words without lines
        words = train[0].split()
        train = [" ".join(words[i:i + 20]) for i in range(0, min(len(words), 2_000_000), 20)]
    train = train[:arguments.lines]
    model = partita.NGram.train(train[:-1000], order=arguments.order, units="sentencepiece", vocabulary=1000)
    header("text", "binned by", "NLL at one temperature", "NLL at one for each bin", "one less the other", "smooth ECE",
           "with bins")
    for text, lines in ("like the model's", train[-1000:]), ("of another kind", valid):
        prefixes, labels, position = [], [], []
        for line in lines:
            encoded = model.encode(line)
            for t, token in enumerate(encoded):
                prefixes.append(encoded[:t][-model.order:])
                labels.append(token)
                position.append(t)
            if len(labels) >= arguments.tokens:
                break
        logits = np.asarray(model.next_logits(prefixes), np.float32)
        counts = np.bincount(labels, minlength=model.vocabulary_size)
        before = [counts[prefix[-1]] if prefix else 0 for prefix in prefixes]
        for name, by in ("entropy", None), ("position", position), ("frequency of the token before", before):
            compared = compare_calibrators(logits, labels, seed=1, by=by, bins=10,
                                           methods=["temperature", "binned-temperature"])
            one, binned, plain = (next(c for c in compared if c.method == m)
                                  for m in ("temperature", "binned-temperature", None))
            gap = one.nll_over_best if one.nll > binned.nll else binned.nll_over_best
            low, high = gap if one.nll > binned.nll else (-gap.high, -gap.low)
            row(text, name, f"{one.nll:.4f} (none: {plain.nll:.4f})", f"{binned.nll:.4f}",
                f"{low:.4f} to {high:.4f}", f"{one.smooth_ece:.4f}", f"{binned.smooth_ece:.4f}")
        del logits


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for run, names, seeds in ((conformal, ["outputs"], 200), (shift, ["outputs"], 200),
                              (fusion, ["mnist", "notmnist"], 5), (tokens, ["train", "valid"], None)):
        kind = kinds.add_parser(run.__name__, help=run.__doc__)
        for name in names:
            kind.add_argument(name)
        if seeds:
            kind.add_argument("--seeds", type=int, default=seeds)
        kind.set_defaults(run=run)
    kind.add_argument("--order", type=int, default=4)
    kind.add_argument("--lines", type=int, default=40_000)
    kind.add_argument("--tokens", type=int, default=20_000)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
