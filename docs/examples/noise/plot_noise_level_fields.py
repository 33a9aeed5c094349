r"""
A score field at five noise levels
==================================

A :class:`~skscore.DenoisingScoreEstimator` learns one field for every noise level σ. At large σ all arrows point to the
middle of the table, at small σ each points to the nearest mode. Here it is compared with the exact fields.
"""

# %%
# One network, all levels
# -----------------------
# Four Gaussians of unequal weight, 2000 rows, and a network of two layers of 64, much smaller than the default. Noise
# levels are in units of the standardised columns, so that the exact noisy density adds :math:`\sigma^2 s_j^2` to the
# variance of a column with standard deviation :math:`s_j`.

import matplotlib.pyplot as plt
import numpy as np

from skscore import DenoisingScoreEstimator
from skscore.datasets import FourGaussians
from skscore.neural import ScoreNetwork
from skscore.plotting import DensityDisplay, ScoreFieldDisplay

mixture = FourGaussians()
X = mixture.sample(2000, random_state=0)
network = DenoisingScoreEstimator(
    ScoreNetwork(hidden_layer_sizes=(64, 64), max_iter=600, n_folds=1, device="cpu"), sigma_min=0.03, random_state=0
).fit(X)


class AtLevel:
    """The field of a density at one noise level."""

    def __init__(self, sigma):
        self.sigma = sigma

    def grad_log_density(self, rows):
        return network.grad_log_density(rows, sigma=self.sigma)


levels = [1.5, 0.7, 0.35, 0.17, 0.08]
noise = np.diag(X.var(axis=0))
exact = {sigma: FourGaussians(covariances=mixture.covariances + sigma**2 * noise) for sigma in levels}

# %%
# At each level, the share of the score's mean square that the network misses, on fresh noisy rows:

for sigma in levels:
    rows = exact[sigma].sample(2000, random_state=1)
    truth = exact[sigma].grad_log_density(rows)
    missed = ((network.grad_log_density(rows, sigma=sigma) - truth) ** 2).sum() / (truth**2).sum()
    print(f"σ = {sigma:4}: {missed:.3f}")

# %%
# Fields
# ------
# Shades are the exact density of the noisy rows. Near them the fields agree; in the empty corners, where the training
# has no noisy row of that level, the network extrapolates.

window = [[-6.0, -6.0], [6.0, 6.0]]
figure, axes = plt.subplots(2, 5, figsize=(13, 5.6), sharex=True, sharey=True, layout="constrained")
for sigma, column in zip(levels, axes.T, strict=True):
    for ax, field in zip(column, [exact[sigma], AtLevel(sigma)], strict=True):
        options = {"plot_method": "pcolormesh", "shading": "gouraud", "show_rows": False, "vmin": 0.0}
        DensityDisplay.from_estimator(exact[sigma], window, eps=0, grid_resolution=80, ax=ax, **options)
        arrows = {"color": "0.15", "width": 0.008, "max_length": 1.7}
        ScoreFieldDisplay.from_estimator(field, window, eps=0, grid_resolution=11, ax=ax, **arrows)
        ax.set(xticks=[], yticks=[], xlabel="", ylabel="", aspect="equal")
    column[0].set_title(f"σ = {sigma}")
axes[0, 0].set_ylabel("exact")
axes[1, 0].set_ylabel("network")
plt.show()
