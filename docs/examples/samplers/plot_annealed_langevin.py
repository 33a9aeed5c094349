r"""
Annealed Langevin dynamics, frame by frame
==========================================

Langevin chains do not move between separated modes. Noise connects the modes: chains that start at a large σ, which
then decreases (Song & Ermon, 2019), find all modes, with their weights.
"""

# %%
# A target at every noise level
# -----------------------------
# Samplers of this kind need a :class:`~skscore.samplers.NoiseConditionalScore`: a function from rows and σ to
# scores, and the variances of a reference Gaussian. For a mixture of Gaussians it is exact. A ring of eight, the
# modes on the right four times as heavy as those on the left:

import matplotlib.pyplot as plt
import numpy as np

from skscore.datasets import GaussianMixtureDistribution
from skscore.formulas.schedules import geometric_ladder
from skscore.metrics import energy_distance
from skscore.plotting import DensityDisplay
from skscore.samplers import AnnealedLangevin, NoiseConditionalScore, tweedie

angle = np.pi / 8 + np.arange(8) * np.pi / 4
means = np.sqrt(2) * np.column_stack([np.cos(angle), np.sin(angle)])
weights = np.where(means[:, 0] > 0, 0.2, 0.05)


def ring(sigma):
    return GaussianMixtureDistribution(weights, means, np.tile((0.03 + sigma**2) * np.eye(2), (8, 1, 1)))


target = NoiseConditionalScore(lambda x, sigma: ring(sigma).grad_log_density(x), None, np.ones(2))

# %%
# The descent
# -----------
# Each step moves all rows five times at one level. Six of the 100 levels are kept as frames.

sampler = AnnealedLangevin(geometric_ladder(0.01, 20.0, 100))
rng = np.random.default_rng(0)
start = np.sqrt(1.0 + sampler.levels[0] ** 2) * rng.standard_normal((2000, 2))
state, frames = sampler.init(start, target), {}
for sigma in sampler.levels:
    state, _ = sampler.step(state, target, rng)
    frames[sigma] = state.position
draws = tweedie(state.position, target, sampler.levels[-1])

rows = ring(0.0).sample(2000, random_state=1)
print(f"rows right of the middle: {(draws[:, 0] > 0).mean():.3f} of the draws, 0.8 of the truth")
print(f"energy distance to the truth {energy_distance(draws, rows):.5f}; of two true samples", end=" ")
print(f"{energy_distance(ring(0.0).sample(2000, random_state=2), rows):.5f}")

# %%
# Contours are the density at the level of the frame. The rows lag slightly behind, since five moves do not quite
# forget the level before; the samplers of :ref:`sphx_glr_auto_examples_samplers_plot_denoising_samplers.py` do not.

shown = sampler.levels[[0, 45, 58, 66, 75, 99]]
figure, axes = plt.subplots(1, 6, figsize=(14, 2.8), layout="constrained")
for ax, sigma in zip(axes, shown, strict=True):
    reach = 3.2 * np.sqrt(0.42 + sigma**2)
    window = [[-reach, -reach], [reach, reach]]
    options = {"plot_method": "contour", "levels": 6, "show_rows": False, "cmap": None, "colors": "0.55"}
    DensityDisplay.from_estimator(ring(sigma), window, eps=0, ax=ax, **options)
    ax.plot(*frames[sigma][:1000].T, ".", color="C0", markersize=2, alpha=0.5)
    ax.set(title=f"σ = {sigma:.2g}", xticks=[], yticks=[], xlabel="", ylabel="", aspect="equal")
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach))
plt.show()
