"""
A density that changes with its input
=====================================

A regression line does not show the spread of the rows around it, and its mean may be far from all rows.
:class:`~skscore.estimators.conditional.ConditionalScoreDensity` fits :math:`p(y \\mid x)` itself, in closed form.
"""

# %%
# Two tables
# ----------
# In the first, the noise grows away from x = 0. In the second, one branch of rows splits into two.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm

from skscore import ConditionalScoreDensity


def growing_noise(n, rng):
    x = rng.uniform(-2.0, 2.0, n)
    return x, np.sin(2.0 * x) + (0.2 + 0.3 * np.abs(x)) * rng.standard_normal(n)


def fork(n, rng):
    x = rng.uniform(-2.0, 2.0, n)
    side = rng.choice([-1.0, 1.0], n)
    return x, 0.9 * side * np.maximum(x, 0.0) + 0.3 * rng.standard_normal(n)


def log_density_of_growing_noise(x, y):
    return norm.logpdf(y, np.sin(2.0 * x), 0.2 + 0.3 * np.abs(x))


def log_density_of_fork(x, y):
    branches = [norm.logpdf(y, 0.9 * side * np.maximum(x, 0.0), 0.3) for side in (-1.0, 1.0)]
    return np.logaddexp(*branches) - np.log(2.0)


tables = {"noise that grows": (growing_noise, log_density_of_growing_noise), "a fork": (fork, log_density_of_fork)}

# %%
# Results
# -------
# Shades are the fitted density of y at each x, white lines its mean, dots some of the 1500 rows. Bandwidths and ridge
# were chosen by the log-likelihood of held-out rows. Along the fork the mean runs between the branches, where there are
# few rows; the density shows this.

grid_x, grid_y = np.linspace(-2.0, 2.0, 90), np.linspace(-3.0, 3.0, 120)
mesh_x, mesh_y = np.meshgrid(grid_x, grid_y)
figure, axes = plt.subplots(1, 2, figsize=(9.5, 4.2), sharex=True, sharey=True, layout="constrained")
for ax, (name, (draw, log_density)) in zip(axes, tables.items(), strict=True):
    x, y = draw(1500, np.random.default_rng(0))
    held_out, targets = draw(3000, np.random.default_rng(1))
    density = ConditionalScoreDensity(n_landmarks=100, random_state=0).fit(x[:, None], y)
    exact, found = log_density(held_out, targets).mean(), density.score(held_out[:, None], targets)
    print(f"{name:16s} {found:.3f} nats per held-out row, truth {exact:.3f}")

    shades = np.exp(density.score_samples(mesh_x.reshape(-1, 1), mesh_y.ravel())).reshape(mesh_x.shape)
    ax.pcolormesh(grid_x, grid_y, shades, shading="gouraud", vmin=0.0, vmax=1.5)
    ax.plot(x[:200], y[:200], ".", color="1.0", alpha=0.35, markersize=3)
    ax.plot(grid_x, density.predict(grid_x[:, None]), color="1.0")
    ax.set(title=name, xlabel="x", ylabel="y", ylim=(-3.0, 3.0))
    ax.label_outer()
figure.colorbar(axes[0].collections[0], ax=axes, label="density of y given x")
plt.show()
