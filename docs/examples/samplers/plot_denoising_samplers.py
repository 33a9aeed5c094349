r"""
Four samplers over noise levels
===============================

A :class:`~skscore.DenoisingScoreEstimator` draws by one of four samplers. Exact scores show the differences between the
samplers alone.
"""

# %%
# Two moons, exact at every level
# -------------------------------
# The moons of :mod:`skscore.datasets` are half-circles with Gaussian noise, so that more noise is a parameter. Each
# sampler has the number of levels that the estimator gives it; its cost is the number of scores for each draw.

import matplotlib.pyplot as plt
import numpy as np

from skscore.datasets import GaussianMixtureDistribution, Moons
from skscore.formulas.schedules import geometric_ladder
from skscore.metrics import energy_distance
from skscore.plotting import DensityDisplay
from skscore.samplers import AnnealedLangevin, Flow, NoiseConditionalScore, PredictorCorrector, ReverseSDE, descend

truth = Moons()
rows, others = truth.sample(1000, random_state=0), truth.sample(1000, random_state=1)
centre, n_scores = rows.mean(axis=0), 0


def score(x, sigma):
    global n_scores
    n_scores += 1
    return Moons(noise=np.hypot(truth.noise, sigma)).grad_log_density(x + centre)


target = NoiseConditionalScore(score, None, rows.var(axis=0))
samplers = {
    "flow": Flow(geometric_ladder(0.01, 20.0, 33)),
    "annealed_langevin": AnnealedLangevin(geometric_ladder(0.01, 20.0, 100)),
    "reverse_sde": ReverseSDE(geometric_ladder(0.01, 20.0, 129)),
    "predictor_corrector": PredictorCorrector(ReverseSDE(geometric_ladder(0.01, 20.0, 65))),
}
draws, cost = {}, {}
for name, sampler in samplers.items():
    n_scores = 0
    draws[name] = centre + descend(sampler, target, 1000, np.random.default_rng(0))
    cost[name] = n_scores
    print(f"{name:20s} {n_scores:3d} scores, energy distance {energy_distance(draws[name], rows):.4f}")
print(f"{'true rows':20s}             energy distance {energy_distance(others, rows):.4f}")

# %%
# Draws over the true density. They look alike; the flow needs an eighth of the scores of annealed Langevin.

figure, axes = plt.subplots(1, 4, figsize=(13, 2.6), sharey=True, layout="constrained")
window = [[-1.7, -1.1], [2.7, 1.6]]
for ax, name in zip(axes, samplers, strict=True):
    options = {"show_rows": False, "plot_method": "pcolormesh", "shading": "gouraud"}
    DensityDisplay.from_estimator(truth, window, eps=0, ax=ax, **options)
    ax.plot(*draws[name].T, ".", color="C1", markersize=1.5)
    ax.set(title=f"{name}: {cost[name]} scores", xlabel="", ylabel="", xticks=[], yticks=[], aspect="equal")
    ax.set(xlim=(-1.7, 2.7), ylim=(-1.1, 1.6))
plt.show()

# %%
# The paths
# ---------
# One column with two modes. Divided by its scale at each level, a path of the flow is a smooth deterministic curve.
# The other samplers have the same density at every level, but other paths.


def two_modes(x, sigma):
    variance = np.full((2, 1, 1), 0.04 + sigma**2)
    return GaussianMixtureDistribution([0.3, 0.7], [[-1.4], [0.6]], variance).grad_log_density(x)


column = NoiseConditionalScore(two_modes, None, np.ones(1))
figure, axes = plt.subplots(1, 4, figsize=(13, 3.2), sharey=True, layout="constrained")
for ax, (name, sampler) in zip(axes, samplers.items(), strict=True):
    rng = np.random.default_rng(3)
    state = sampler.init(sampler.levels[0] * rng.standard_normal((12, 1)), column)
    path = [state.position]
    for _ in range(sampler.n_steps):
        state, _ = sampler.step(state, column, rng)
        path.append(state.position)
    levels = np.r_[sampler.levels[0], sampler.levels][-len(path) :]  # annealed Langevin also moves at the first level
    scaled = np.hstack(path) / np.hypot(1.0, levels)
    ax.semilogx(levels, scaled.T, color="C0", linewidth=0.7, alpha=0.8)
    ax.set(title=name, xlabel="σ", xlim=(20.0, 0.01), ylim=(-3.2, 3.2))
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel(r"$x / \sqrt{1 + \sigma^2}$")
plt.show()
