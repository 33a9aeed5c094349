r"""
Choosing the bandwidth of kernels
=================================

``ScoreMatchingDensity("kernel")`` chooses the bandwidth, the ridge ``alpha``, the width of the base measure and the
noise that the rows are seen through while it is fitted, by the log-likelihood of rows held out. This example looks at
what was tried.
"""

# %%
# What was tried
# --------------
# 500 rows of two moons. The bandwidth is in units of the whitened rows. A few bandwidths are tried with some noise, and
# those beside the best without; from the best of all the search goes by steps of a factor √2, along bandwidth and
# noise, as far as the score rises. At each of them the whole path of ridges costs one factorisation for each fold.
# So the table of trials has hundreds of lines, as in the searches of scikit-learn.

import matplotlib.pyplot as plt
import numpy as np

from skscore import ScoreMatchingDensity
from skscore.datasets import Moons
from skscore.models import Kernel
from skscore.plotting import DensityDisplay

truth = Moons()
X, fresh = truth.sample(500, random_state=0), truth.sample(4000, random_state=1)
chosen = ScoreMatchingDensity("kernel").fit(X)
trials = chosen.cv_results_
print(f"{len(trials['mean_test_score'])} candidates")
print(f"chosen: bandwidth {chosen.bandwidth_:.2f}, smoothing {chosen.smoothing_:.2f}, alpha {chosen.alpha_:.1e}")

# %%
# The chosen bandwidth against others
# -----------------------------------
# Three times narrower, and the density falls into lumps; three times wider, and no ridge lets it bend as sharply as
# the moons do. Each of them has the ridge that suits it best, and the same noise.


def of_width(bandwidth):
    return ScoreMatchingDensity(Kernel(bandwidth=bandwidth, smoothing=chosen.smoothing_ * sigma / bandwidth)).fit(X)


sigma = chosen.bandwidth_
fits = {"a third": of_width(sigma / 3.0), "chosen": chosen, "three times": of_width(3.0 * sigma)}
exact = truth.score_samples(fresh).mean()
for name, density in fits.items():
    print(f"{name:12s} bandwidth {density.bandwidth_:.2f}: {exact - density.score(fresh):.3f} nats below the truth")

figure = plt.figure(figsize=(12, 5.8), layout="constrained")
top, bottom = figure.subfigures(2, 1, height_ratios=[1.5, 1.0])
left, right = top.subplots(1, 2)
same_scale, smoothing = trials["param_base_scale"] == chosen.base_scale_, trials["param_smoothing"]
bandwidths = np.unique(trials["param_bandwidth"])
shades = plt.colormaps["viridis"](np.linspace(0.0, 0.9, len(bandwidths)))
for bandwidth, shade in zip(bandwidths, shades, strict=True):
    of_bandwidth = trials["param_bandwidth"] == bandwidth
    scores = {s: trials["mean_test_score"][of_bandwidth & (smoothing == s)].max() for s in set(smoothing[of_bandwidth])}
    shown = same_scale & of_bandwidth & (smoothing == max(scores, key=scores.get))
    score = np.where(np.isfinite(trials["mean_test_score"][shown]), trials["mean_test_score"][shown], np.nan)
    left.semilogx(trials["param_alpha"][shown], score, color=shade, label=f"{bandwidth:.2f}")
    right.plot(bandwidth, max(scores.values()), "o", color=shade, markersize=8)
    right.plot(bandwidth, scores.get(0.0, np.nan), "_", color=shade, markersize=12)
best = trials["mean_test_score"].max()
left.plot(chosen.alpha_, best, "o", color="C3", markersize=9, label="chosen")
left.set(title="held-out log-likelihood, nats, at the best noise", xlabel="alpha", ylim=(best - 1.0, best + 0.05))
left.legend(title="bandwidth", frameon=False, fontsize="small", ncols=2)
right.plot(chosen.bandwidth_, best, "o", color="C3", markersize=9)
right.set(
    title="the best of each bandwidth (bar: no noise, if tried)",
    xlabel="bandwidth",
    xscale="log",
    ylim=(best - 1.0, best + 0.05),
)
right.set_xticks(bandwidths, [f"{bandwidth:.2f}" for bandwidth in bandwidths])
right.minorticks_off()
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
peak = np.exp(truth.score_samples(fresh).max())
for ax, (name, density) in zip(bottom.subplots(1, 4), {"truth": truth, **fits}.items(), strict=True):
    options = {"plot_method": "pcolormesh", "show_rows": False, "shading": "gouraud", "vmin": 0.0, "vmax": 1.3 * peak}
    DensityDisplay.from_estimator(density, fresh, eps=0.1, grid_resolution=100, ax=ax, **options)
    ax.set(title=name if density is truth else f"bandwidth {density.bandwidth_:.2f}", xlabel="", ylabel="")
    ax.set(xticks=[], yticks=[], aspect="equal")
plt.show()
