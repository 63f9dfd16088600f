# SPDX-License-Identifier: Apache-2.0
# %% [markdown]
# # From logits to a reliability diagram
#
# An hour's walk, for who has met a softmax and wants to know what its numbers are worth. Each cell runs in a second.
# Open the file as a notebook (Jupyter with jupytext, VS Code, Spyder), or run it: `python from_logits_to_reliability.py`.
# It needs numpy and scikit-learn; where matplotlib is installed, the diagrams are drawn, and printed where it is not.

# %%
import numpy as np

import partita

# %% [markdown]
# ## 1. What logits are
#
# A network ends in one number per class, z. They are logarithms of probabilities, up to a constant that no one knows:
# the softmax finds it, as the logarithm of a sum.

# %%
z = np.array([2.0, 1.0, -1.0])
log_normalizer = partita.log_sum_exp(z)
assert np.allclose(partita.softmax(z), np.exp(z - log_normalizer))
print("probabilities", partita.softmax(z).round(3), " entropy", round(float(partita.entropy(z)), 3), "nats")

# %% [markdown]
# Only differences count, so a thousand more on each changes nothing. By hand, exp(1002) would overflow.

# %%
assert np.allclose(partita.softmax(z + 1000), partita.softmax(z))

# %% [markdown]
# ## 2. What it means to draw from them
#
# Add noise of Gumbel's distribution to each logit, and take the largest: class i wins with exactly the probability that
# the softmax gives it. The k largest are k *different* classes, as if drawn one after the other without putting back.

# %%
draws = partita.categorical(z, 100_000, seed=1)
print("frequencies  ", (np.bincount(draws, minlength=3) / len(draws)).round(3))
drawn = partita.gumbel_top_k(z, 2, seed=1)
print("two different ones:", drawn.indices, "with probabilities", np.exp(drawn.log_prob).round(3))

# %% [markdown]
# There is no hidden state: the same seed is the same draw, whatever was drawn before, and whatever else is in the batch.

# %%
assert (partita.gumbel_top_k(np.stack([z, -z]), 2, seed=1).indices[0] == drawn.indices).all()

# %% [markdown]
# ## 3. A network that is too sure
#
# Handwritten digits, seen through noise, of which the network learns 0 to 7 from 300 pictures. (We keep 8 and 9 for the
# end: they will be what it has never seen.) It soon knows its examples by heart, and training goes on to make their
# probabilities as large as they can be.

# %%
import warnings  # noqa: E402

from sklearn.datasets import load_digits  # noqa: E402
from sklearn.neural_network import MLPClassifier  # noqa: E402

images, digits = load_digits(return_X_y=True)
rng = np.random.default_rng(0)
images = images / 16 + 0.3 * rng.normal(size=images.shape)
order = rng.permutation(len(images))
images, digits = images[order], digits[order]
known, unknown = digits < 8, images[digits >= 8]
X, y = images[known], digits[known]
train, held_out, test = slice(300), slice(300, 850), slice(850, None)

warnings.filterwarnings("ignore", "Stochastic Optimizer: Maximum iterations")  # 600 are what we want
network = MLPClassifier([128], alpha=0, max_iter=600, tol=0, n_iter_no_change=600, random_state=0).fit(X[train], y[train])


def hidden(pictures: np.ndarray) -> np.ndarray:
    """What the network makes of a picture before its last layer."""
    return np.maximum(0, pictures @ network.coefs_[0] + network.intercepts_[0])


def logits(pictures: np.ndarray) -> np.ndarray:
    """One number per class: what the softmax is taken of."""
    return hidden(pictures) @ network.coefs_[1] + network.intercepts_[1]


confidence = partita.softmax(logits(X[test])).max(-1)
print(f"right about {network.score(X[test], y[test]):.1%} of the test; says {confidence.mean():.1%} on average")

# %% [markdown]
# ## 4. The reliability diagram
#
# Sort the test's pictures into bins by the probability that the network gives its answer, its *confidence*. In each bin,
# count how many answers are right. Were 0.9 nine times of ten, all bins would lie on the diagonal. The mean distance
# from it, weighted by how many pictures a bin has, is the expected calibration error, ECE.

# %%
from partita.calibration import ReliabilityDiagram, TemperatureScaling, evaluate_calibration  # noqa: E402


def show(diagram: ReliabilityDiagram, title: str) -> None:
    """Draws the diagram, or prints it: # is accuracy, | confidence."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        print(title)
        for lower, upper, count, mean, right in zip(diagram.lower, diagram.upper, diagram.count, diagram.confidence,
                                                    diagram.accuracy, strict=True):
            if count:
                bar = list("#" * round(50 * right) + " " * 51)[:51]
                bar[round(50 * mean)] = "|"
                print(f"  ({lower:.2f}, {upper:.2f}] {count:5d} {''.join(bar)}")
        return
    plt.figure()
    diagram.plot().set_title(title)
    plt.show()


before = evaluate_calibration(logits(X[test]), y[test], bins=10, seed=1)
show(before.diagram, "before")
low, high = before.intervals.ece
print(f"ECE {before.metrics.ece:.3f}, 95 % of resamples of the test in ({low:.3f}, {high:.3f})")

# %% [markdown]
# ## 5. One number mends it
#
# Divide all logits by a temperature T. That changes no answer, only how sure it is. Which T? The one under which the
# right classes of *other* pictures, held out from training, are most likely. Finding it is a convex problem.

# %%
scaling = TemperatureScaling().fit(logits(X[held_out]), y[held_out])
print(f"temperature {scaling.temperature_:.2f}")
after = evaluate_calibration(logits(X[test]), y[test], bins=10, calibrator=scaling, seed=1)
show(after.diagram, "after")
print(f"ECE {before.metrics.ece:.3f} -> {after.metrics.ece:.3f}, log loss {before.metrics.nll:.3f} -> {after.metrics.nll:.3f}")
assert after.metrics.accuracy == before.metrics.accuracy and after.metrics.nll < before.metrics.nll

# %% [markdown]
# A T above 1 says that the network was too sure. Would more parameters help? A weight and an offset for each class do,
# here. A curve for each class, from so few pictures, says "impossible" of what then happens: an infinite log loss.

# %%
from partita.calibration import IsotonicCalibration, VectorScaling  # noqa: E402

for calibrator in (scaling, VectorScaling(), IsotonicCalibration()):
    calibrator.fit(logits(X[held_out]), y[held_out])
    m = evaluate_calibration(logits(X[test]), y[test], bins=10, calibrator=calibrator).metrics
    print(f"{type(calibrator).__name__:20s} ECE {m.ece:.3f}  log loss {m.nll:.3f}  accuracy {m.accuracy:.3f}")

# %% [markdown]
# ## 6. A promise instead of a probability
#
# For each picture, a *set* of digits that holds the right one in 95 % of cases, whatever the network and however bad its
# probabilities: conformal prediction. Only the held-out pictures and the new ones must be alike. A set of one is a clear
# answer; a large one says "I do not know".

# %%
from partita.calibration import SplitConformal  # noqa: E402

conformal = SplitConformal(alpha=0.05, seed=1).fit(logits(X[held_out]), y[held_out])
sets = conformal.predict_sets(logits(X[test]))
covered = np.mean([digit in found for digit, found in zip(y[test], sets, strict=True)])
print(f"{covered:.1%} of the sets hold the right digit; their mean size is {np.mean([len(found) for found in sets]):.2f}")

# %% [markdown]
# ## 7. What it has never seen
#
# An 8 is none of 0 to 7, and yet the probabilities of these sum to 1. Calibration promises nothing here. What tells an
# unknown picture is how much evidence there is at all: the log-sum-exp of the logits, which the softmax throws away
# (*energy*); or how far its hidden state lies from those of the classes (*Mahalanobis*), which needs more pictures than
# we have. AUROC is the probability that a known picture scores above an unknown one: 0.5 is a guess.

# %%
from partita import detection  # noqa: E402

detector = detection.Mahalanobis().fit(hidden(X[train]), y[train])
scores = {
    "largest probability": lambda pictures: detection.logit_scores(logits(pictures), "msp"),
    "energy": lambda pictures: detection.logit_scores(logits(pictures), "energy"),
    "Mahalanobis": lambda pictures: detector.score_samples(hidden(pictures)),
}
for name, score in scores.items():
    figures = detection.detection_metrics(score(X[test]), score(unknown), positive="in")
    print(f"{name:20s} AUROC {figures.auroc:.3f}   unknown let in at 95 % of the known: {figures.fpr_at_95_tpr:.1%}")

# %% [markdown]
# To use it, choose the threshold on pictures that are not the test:

# %%
threshold = detection.threshold_at_tpr(scores["energy"](X[held_out]), 0.95)
accepted = scores["energy"](X[test]) >= threshold
print(f"accepts {accepted.mean():.1%} of the known, {(scores['energy'](unknown) >= threshold).mean():.1%} of the unknown")

# %% [markdown]
# ## 8. Your own network
#
# All of it needs logits [n, K] and labels [n], as numpy arrays or torch tensors, and none of it the network:
#
#     scaling = TemperatureScaling().fit(logits_of_held_out, labels)
#     scaling.save("calibrator.json")        # `partita calibrate apply` and C++ read it
#
# Try it with more training pictures (less to mend), with another seed, with bins=5; and ask why the network's accuracy
# cannot change by a temperature, but by vector scaling.
