r"""
Outliers, and fits that are robust against them
===============================================

Score matching is least squares on scores, so that a few gross errors dominate it. ``robust=c`` weights every row by the
power c of its own fitted density, and corrects the effect on rows without errors (Windham, 1995); the guide is in
:doc:`/user_guide/graphs`.
"""

# %%
# One row in fifty is an error
# ----------------------------
# The rows are positive, and so is the model: a Gaussian cut off at zero.

import matplotlib.pyplot as plt
import numpy as np

from skscore import ScoreMatchingDensity
from skscore.models import TruncatedGaussian

rng = np.random.default_rng(0)
mean, covariance = np.array([1.0, 0.5]), np.array([[1.0, 0.7], [0.7, 1.0]])
rows = rng.multivariate_normal(mean, covariance, 4000)
rows = rows[(rows > 0.0).all(axis=1)][:1000]
X = np.vstack([rows, rng.uniform([0.0, 5.0], [3.0, 9.0], (20, 2))])

powers = [None, 0.3]
densities = [ScoreMatchingDensity(TruncatedGaussian(), robust=c).fit(X) for c in powers]
truth = np.linalg.inv(covariance)
for c, density in zip(powers, densities, strict=True):
    K = density.precision_
    print(f"robust={c}: precision {K[0].round(2)}, {K[1].round(2)}, truth {truth[0].round(2)}, {truth[1].round(2)}")

# %%
# The weights are powers of the density, so that rows with small weights are suspicious.

side = np.linspace(0.01, 9.0, 181)
grid = np.stack(np.meshgrid(side[:81], side), axis=-1).reshape(-1, 2)
figure, panels = plt.subplots(1, 2, figsize=(8, 4.6), sharey=True, layout="constrained")
for panel, c, density in zip(panels, powers, densities, strict=True):
    weight = np.exp((c or 0.0) * density.score_samples(X))
    height = density.score_samples(grid).reshape(181, 81)
    levels = height.max() - np.array([5.0, 3.0, 2.0, 1.0, 0.3])
    panel.contour(side[:81], side, height, levels=levels, colors="C1", linewidths=1.2, linestyles="solid")
    points = panel.scatter(*X.T, c=weight / weight.max(), s=7, cmap="Blues", vmin=-0.3, vmax=1.0, zorder=0)
    panel.set(title=f"robust={c}", xlabel="$x_1$", xlim=(0, 4), ylim=(0, 9))
    panel.spines[["top", "right"]].set_visible(False)
panels[0].set_ylabel("$x_2$")
figure.colorbar(points, ax=panels, label="weight of a row", boundaries=np.linspace(0.0, 1.0, 101), ticks=[0, 0.5, 1])
plt.show()
