r"""
Few rows: kernels smoothed by noise
===================================

Score matching depends on the score at the rows, and with few rows it follows their random variation. A kernel density
has a bump at every row and is smooth in between. ``Kernel(smoothing=...)`` interpolates between the two: Gaussian noise
is added to the rows, with its exact mean in the objective, and the score is matched to that of their Parzen density. By
default held-out rows choose the amount of noise.
"""

# %%
# How much noise
# --------------
# 300 rows of two moons. The defaults choose noise, bandwidth, ridge and base measure together.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity

from skscore import ScoreMatchingDensity
from skscore.datasets import Moons
from skscore.models import Kernel
from skscore.plotting import DensityDisplay

truth = Moons()
X, fresh = truth.sample(300, random_state=0), truth.sample(4000, random_state=1)
chosen = ScoreMatchingDensity("kernel").fit(X)
print(f"chosen: bandwidth {chosen.bandwidth_:.2f}, smoothing {chosen.smoothing_:.2f}, alpha {chosen.alpha_:.1e}")

# %%
# Noise adds bias and reduces variance. With all else as chosen, four further tables of 300 rows show which level is
# best for the density, and which for its score.

shares = np.array([0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6])
nats, errors = np.empty((2, len(shares), 4))
for i, share in enumerate(shares):
    model = Kernel(bandwidth=chosen.bandwidth_, base_scale=chosen.base_scale_, smoothing=share)
    for table in range(4):
        density = ScoreMatchingDensity(model, alpha=chosen.alpha_).fit(truth.sample(300, random_state=10 + table))
        nats[i, table] = density.score(fresh)
        errors[i, table] = ((density.grad_log_density(fresh) - truth.grad_log_density(fresh)) ** 2).sum(axis=1).mean()
    print(f"smoothing {share:.2f}: {nats[i].mean():.3f} nats, squared error of the score {errors[i].mean():.1f}")

# %%
# The densities
# -------------
# Without noise the density is uneven along the moons, and a ridge that would mend it blurs them. A tuned kernel density
# is a sum of bumps; on rows as few as these it can be the best of the three.

search = GridSearchCV(KernelDensity(), {"bandwidth": np.logspace(-1.5, 0.0, 20)}, cv=5).fit(X)
bumps = search.best_estimator_
plain = ScoreMatchingDensity(Kernel(smoothing=0.0)).fit(X)
panels = {
    "truth": truth,
    f"no noise: {plain.score(fresh):.2f} nats": plain,
    f"chosen: {chosen.score(fresh):.2f} nats": chosen,
    f"KernelDensity: {bumps.score_samples(fresh).mean():.2f} nats": bumps,
}

figure = plt.figure(figsize=(12, 6), layout="constrained")
top, bottom = figure.subfigures(2, 1, height_ratios=[1.0, 1.2])
left, right = top.subplots(1, 2)
for ax, values, title in ((left, nats, "nats of fresh rows"), (right, errors, "squared error of the score")):
    ax.errorbar(shares, values.mean(axis=1), values.std(axis=1) / 2.0, marker="o", capsize=3)
    ax.axvline(chosen.smoothing_, color="C3", linestyle="--", label="chosen by rows held out")
    ax.set(title=title, xlabel="smoothing")
    ax.spines[["top", "right"]].set_visible(False)
left.legend(frameon=False)
peak = np.exp(truth.score_samples(fresh).max())
for ax, (name, density) in zip(bottom.subplots(1, 4), panels.items(), strict=True):
    options = {"plot_method": "pcolormesh", "show_rows": False, "shading": "gouraud", "vmin": 0.0, "vmax": 1.3 * peak}
    DensityDisplay.from_estimator(density, fresh, eps=0.1, grid_resolution=100, ax=ax, **options)
    ax.scatter(*X.T, s=2, color="w", alpha=0.5)
    ax.set(title=name, xlabel="", ylabel="", xticks=[], yticks=[], aspect="equal")
plt.show()
