r"""
Weights of separated modes
==========================

The kernel family can fit any smooth density, but score matching compares scores only. If no row lies between two modes,
the scores do not depend on the weights of the modes. This example shows how far the weights are off, what
choosing by the log-likelihood repairs, and how ``n_components`` avoids it.
"""

# %%
# Two modes
# ---------
# Two unit Gaussians of weights 0.3 and 0.7, at equal distances from zero, 300 rows. Three kernel densities of each
# table: one whose bandwidth and ridge are chosen by the objective of held-out rows, so that only scores are
# used; one for which the log-likelihood chooses, as by default; and one that is a mixture of two, each fitted to a
# cluster of rows. The weight of the left mode is the mass below zero.

import matplotlib.pyplot as plt
import numpy as np

from skscore import ScoreMatchingDensity
from skscore.datasets import GaussianMixtureDistribution
from skscore.models import Kernel

one = Kernel(n_landmarks=100, base_scale=1.0)
two = Kernel(n_landmarks=100, base_scale=1.0, n_components=2)
candidates = {
    "scores alone": ScoreMatchingDensity(one, criterion="hyvarinen"),
    "log-likelihood chooses": ScoreMatchingDensity(one),
    "n_components=2": ScoreMatchingDensity(two),
}
grid = np.linspace(-12.0, 12.0, 1201)[:, None]
left, step = grid[:, 0] < 0.0, grid[1, 0] - grid[0, 0]


def two_modes(half):
    return GaussianMixtureDistribution([0.3, 0.7], [[-half], [half]], np.ones((2, 1, 1)))


halves, tables = [1.5, 3.0, 4.5], range(4)
error, curves = {}, {}
for half in halves:
    for seed in tables:
        X = two_modes(half).sample(300, random_state=seed)
        for name, candidate in candidates.items():
            density = np.exp(candidate.fit(X).score_samples(grid)[:, None])
            error[name, half, seed] = density[left].sum() * step - (X < 0.0).mean()
            curves[name, half, seed] = density

# %%
# At ±1.5 standard deviations rows lie between the modes and connect them. At ±3 hardly any do, and at ±4.5 none:

print("root mean squared error of the weight of the left mode")
for name in candidates:
    errors = [np.sqrt(np.mean([error[name, half, seed] ** 2 for seed in tables])) for half in halves]
    print(f"{name:24s}" + "".join(f"  ±{half}: {value:.3f}" for half, value in zip(halves, errors, strict=True)))

# %%
# On the left the table at ±4.5 where the scores alone err most, on the right the errors of all tables. What each mode
# looks like is learned in every case. The scores do not determine their weights. The log-likelihood rejects candidates
# whose weights happen to be far off, which repairs most of it. The mixture takes the weights from the counts of rows.

worst = max(tables, key=lambda seed: abs(error["scores alone", 4.5, seed]))
figure, (panel, errors) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
panel.fill_between(grid[:, 0], np.exp(two_modes(4.5).score_samples(grid)), color="0.9", label="truth")
for number, name in enumerate(candidates):
    colour = ["C3", "C0", "C2"][number]
    panel.plot(
        grid, curves[name, 4.5, worst], color=colour, label=name, linestyle=["-", "-", "--"][number], linewidth=1.5
    )
    x = np.repeat(np.arange(len(halves)) + 0.2 * (number - 1), len(tables))
    y = [error[name, half, seed] for half in halves for seed in tables]
    errors.plot(x, y, "o", color=colour, markersize=5, alpha=0.8)
panel.set(title="density, modes at ±4.5", xlabel="$x$", xlim=(-9.0, 9.0), ylim=(0.0, 0.42))
panel.legend(frameon=False, loc="upper left")
errors.axhline(0.0, color="0.6", linewidth=0.8, linestyle=":")
errors.set(title="fitted weight of the left mode − share of rows", xlabel="modes at ± so many standard deviations")
errors.set_xticks(np.arange(len(halves)), halves)
for ax in figure.axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
