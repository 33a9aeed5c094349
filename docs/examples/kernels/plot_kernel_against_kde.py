r"""
Kernels fitted by score matching, and a kernel density
======================================================

A :class:`~sklearn.neighbors.KernelDensity` puts a bump on every row and adds up the *density*. The kernel exponential
family, ``ScoreMatchingDensity("kernel")``, adds up the *log-density*, with weights that score matching finds by one
linear solve. Both are fitted to 300 rows of two curved distributions, whose density and score are known exactly.
"""

# %%
# Two fits of two distributions
# -----------------------------
# Both choose their bandwidths by held-out log-likelihood, the kernel family inside ``fit``. The score of a kernel
# density is its mean shift over :math:`h^2`, added here so that it can be drawn.

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import softmax
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity

from skscore import ScoreMatchingDensity
from skscore.datasets import Banana, Rings
from skscore.plotting import DensityDisplay, ScoreFieldDisplay


class ScoredKernelDensity(KernelDensity):
    """A kernel density that knows its score."""

    def grad_log_density(self, X):
        rows, h = np.asarray(self.tree_.data), self.bandwidth_
        nearness = softmax(-0.5 * cdist(X, rows, "sqeuclidean") / h**2, axis=1)
        return (nearness @ rows - X) / h**2


truths = {"banana": Banana(), "rings": Rings(radii=(1.0, 3.0), noise=0.25)}
panels = {}
for name, truth in truths.items():
    X, held_out = truth.sample(300, random_state=0), truth.sample(4000, random_state=1)
    search = GridSearchCV(ScoredKernelDensity(), {"bandwidth": np.logspace(-1.3, 0.3, 20)}, cv=5).fit(X)
    fits = {"score matching": ScoreMatchingDensity("kernel").fit(X), "KernelDensity": search.best_estimator_}
    panels[name, "truth"] = truth, "truth"
    for method, density in fits.items():
        lost = (truth.score_samples(held_out) - density.score_samples(held_out)).mean()
        error = ((density.grad_log_density(held_out) - truth.grad_log_density(held_out)) ** 2).sum(axis=1).mean()
        panels[name, method] = density, f"{method}: $E\\|\\hat s - s\\|^2$ = {error:.2f}"
        print(f"{name:7s} {method:15s} {lost:.3f} nats below the truth, squared error of the score {error:.2f}")

# %%
# Density and score
# -----------------
# The kernel density is a sum of bumps, and its score points to the nearest of them. On the banana the kernel family is
# better in both. Rings are long and narrow: scores along them are small, and their errors accumulate around the ring.
# So the kernel family sees rows as few as these through noise, and what it finds is near the kernel density. See
# :ref:`sphx_glr_auto_examples_kernels_plot_kernel_smoothing.py`. More rows help both.

windows = {"banana": [[-5.0, -4.0], [5.0, 6.5]], "rings": [[-4.2, -4.2], [4.2, 4.2]]}
figure, axes = plt.subplots(2, 3, figsize=(11, 7), sharex="row", sharey="row", layout="constrained")
for (name, window), line in zip(windows.items(), axes, strict=True):
    peak = np.exp(truths[name].score_samples(truths[name].sample(4000, random_state=1)).max())
    for ax, method in zip(line, ["truth", "score matching", "KernelDensity"], strict=True):
        density, title = panels[name, method]
        shades = {"levels": np.linspace(0.0, 1.3 * peak, 18), "extend": "max", "show_rows": False}
        DensityDisplay.from_estimator(density, window, eps=0, grid_resolution=120, ax=ax, **shades)
        ScoreFieldDisplay.from_estimator(density, window, eps=0, grid_resolution=21, ax=ax, color="0.2", width=0.003)
        ax.set(title=title, xlabel="", ylabel="", xticks=[], yticks=[])
    line[0].set_ylabel(name)
plt.show()
