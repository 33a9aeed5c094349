r"""
Separated modes have no weights
===============================

Score matching compares scores at the rows. If modes are well separated, the scores at the rows do not depend on the
mass of each mode, so that score matching cannot determine their weights. Likelihood can.
"""

# %%
# On a known density
# ------------------
# Two unit Gaussians with weights 0.2 and 0.8. Candidates have the right modes and a weight *w* instead of 0.2. The
# excess of the Hyvärinen score over its minimum, and of the negative log-likelihood over its own:

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.mixture import GaussianMixture

from skscore import ScoreMatchingDensity
from skscore.datasets import GaussianMixtureDistribution
from skscore.metrics import fisher_divergence
from skscore.models import Polynomial


def two_modes(weight, distance):
    return GaussianMixtureDistribution([weight, 1 - weight], [[-distance / 2], [distance / 2]], np.ones((2, 1, 1)))


weights, distances = np.linspace(0.02, 0.98, 49), [2, 4, 6, 8]
by_score, by_likelihood = {}, {}
for distance in distances:
    truth = two_modes(0.2, distance)
    X = truth.sample(5000, random_state=0)
    others = [two_modes(w, distance) for w in weights]
    by_score[distance] = [fisher_divergence(truth.grad_log_density, q.grad_log_density, X) for q in others]
    by_likelihood[distance] = [(truth.score_samples(X) - q.score_samples(X)).mean() for q in others]

# %%
# On a table
# ----------
# The petal length of 150 irises has two groups, 50 short and 100 long ones, with none between 1.9 and 3 cm. A
# polynomial of degree 4 fitted by score matching has both modes and gives nearly all mass to one of them. A mixture of
# two Gaussians, fitted by likelihood, has one third to two thirds.

petals = load_iris().data[:, [2]]
polynomial = ScoreMatchingDensity(Polynomial(degree=4)).fit(petals)
mixture = GaussianMixture(2, random_state=0).fit(petals)

grid = np.linspace(0.0, 8.0, 801)[:, None]
step = grid[1, 0] - grid[0, 0]
short = grid[:, 0] < 2.5
for name, density in {"polynomial": polynomial, "mixture": mixture}.items():
    mass = np.exp(density.score_samples(grid[short])).sum() * step
    print(f"{name:10s} mass below 2.5 cm: {mass:.3f};  log-likelihood {density.score(petals):.3f} nats per flower")
print(f"share of the rows below 2.5 cm: {(petals < 2.5).mean():.3f}")

# %%
# From distance 6 on, the Hyvärinen score is flat over nearly all weights; the log-likelihood is not.

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
shades = plt.colormaps["Blues"](np.linspace(0.4, 1.0, len(distances)))
for distance, shade in zip(distances, shades, strict=True):
    left.plot(weights, by_score[distance], color=shade, label=f"{distance} σ apart")
    middle.plot(weights, by_likelihood[distance], color=shade)
left.set(title="excess Hyvärinen score", ylim=(0.0, 0.3))
middle.set(title="excess negative log-likelihood, nats", ylim=(0.0, 1.0))
left.legend(frameon=False)
for ax in (left, middle):
    ax.axvline(0.2, color="0.6", linewidth=0.8, linestyle=":")
    ax.set(xlabel="weight of the left mode (true: 0.2)", xlim=(0.0, 1.0))

right.hist(petals[:, 0], bins=np.arange(0.75, 7.5, 0.25), density=True, color="0.88", label="150 irises")
right.plot(grid, np.exp(polynomial.score_samples(grid)), color="C0", label="polynomial, score matching")
right.plot(grid, np.exp(mixture.score_samples(grid)), color="C3", label="mixture, likelihood")
right.set(title="density of the petal length", xlabel="petal length, cm", xlim=(0.0, 8.0))
right.legend(frameon=False)
for ax in figure.axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# What to do: compare by ``score``, which is the log-likelihood and depends on the weights; fit each group separately
# if labels are known; or use a mixture.
