r"""
Positive rows: a Gaussian, and a Gaussian on the orthant
========================================================

Concentrations, counts per hour and prices are positive, often with a mode near 0. A Gaussian has mass where no
row can be. ``ScoreMatchingDensity("truncated_gaussian")`` takes the boundary into account: generalised score matching
(:doc:`/user_guide/bounded`) recovers the true interactions, without the normaliser.
"""

# %%
# Rows of a ring
# --------------
# Twelve columns, of which each interacts with two neighbours: :math:`p(x) \propto \exp(-\tfrac12x^\top Kx)` on x > 0,
# with partial correlations of −0.45: if one column is large its neighbours are small. Gibbs' sampler draws a column
# given the others from a univariate truncated normal.

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import norm

from skscore import ScoreMatchingDensity, ScoreMatchingDensityCV
from skscore.models import TruncatedGaussian
from skscore.plotting import DensityDisplay, GraphDisplay


def truncated_rows(K, n, rng, sweeps=150):
    """Rows of exp(−xᵀKx/2) on the orthant, for K with ones on the diagonal."""
    X = np.ones((n, len(K)))
    for _ in range(sweeps):
        for j in range(len(K)):
            mean = X[:, j] - X @ K[j]
            X[:, j] = mean - ndtri(rng.random(n) * ndtr(mean))
    return X


p = 12
K = np.eye(p)
i, j = np.arange(p), np.roll(np.arange(p), -1)
K[i, j] = K[j, i] = 0.45
X = truncated_rows(K, 3000, np.random.default_rng(0))

# %%
# The interactions
# ----------------
# Both models are quadratic in x, with a linear part, and both are fitted in closed form on a graph that eBIC chooses.
# The Gaussian one estimates the inverse covariance of the rows. That of truncated rows is another matrix than K: its
# diagonal reflects how narrow the truncated columns are, and its interactions are nearly zero.

fits = {"truncated Gaussian": TruncatedGaussian(), "Gaussian": "pairwise"}
graphs = {"truth": GraphDisplay(K)}
for name, model in fits.items():
    density = ScoreMatchingDensityCV(model, selection="ebic").fit(X / X.std(axis=0))
    graphs[name] = GraphDisplay(density.interaction_)
figure, axes = plt.subplots(1, 3, figsize=(11, 4.2), layout="constrained")
for ax, (name, graph) in zip(axes, graphs.items(), strict=True):
    graph.plot(ax).ax_.set_title(name)
    rho, n_edges = graph.partial_correlation[i, j], len(graph.edges_)
    true = np.count_nonzero(rho)
    print(f"{name}: {true} of 12 edges, {n_edges - true} false, mean partial correlation {rho.mean():.2f}")
plt.show()

# %%
# The density
# -----------
# For two columns the density can be drawn. The Gaussian has mass beyond the boundary, and puts its peak in
# the middle of the rows.

pair = np.array([[1.0, 0.45], [0.45, 1.0]])
rows, held_out = (truncated_rows(pair, n, np.random.default_rng(seed)) for seed, n in [(1, 1000), (2, 4000)])
figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), sharex=True, sharey=True, layout="constrained")
for ax, (name, model) in zip(axes, fits.items(), strict=True):
    density = ScoreMatchingDensity(model, random_state=0).fit(rows)
    shades = {"grid_resolution": 150, "eps": 0.15, "levels": np.linspace(0.0, 0.85, 18), "extend": "max"}
    DensityDisplay.from_estimator(density, rows, ax=ax, **shades)
    ax.set_title(f"{name}: {density.score(held_out):.2f} nats")
    ax.axhline(0.0, color="0.4", linewidth=0.8)
    ax.axvline(0.0, color="0.4", linewidth=0.8)
marginal = norm(rows.mean(axis=0), rows.std(axis=0)).cdf(0.0)
print(f"the Gaussian puts {marginal[0]:.0%} of x0 and {marginal[1]:.0%} of x1 below 0")
plt.show()
