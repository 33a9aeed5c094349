r"""
The energy landscape of rings, and Markov chains on it
======================================================

A neural energy is fitted to three rings by implicit score matching. Minus the logarithm of its density is a landscape
with circular valleys, on which :class:`~skscore.samplers.ULA`, :class:`~skscore.samplers.MALA` and
:class:`~skscore.samplers.HMC` move by its gradient.
"""

# %%
# The landscape
# -------------
# Rows held out decide when the training stops. The distance to the truth is in nats per row.

import matplotlib.pyplot as plt
import numpy as np

from skscore import ScoreMatchingDensity
from skscore.datasets import Rings
from skscore.neural import NeuralEnergy
from skscore.samplers import HMC, MALA, ULA, Target, run_chains

truth = Rings()
X, X_test = truth.sample(3000, random_state=0), truth.sample(3000, random_state=1)
model = NeuralEnergy((64, 64), learning_rate=3e-3, max_iter=2000, random_state=0)
density = ScoreMatchingDensity(model).fit(X)
print(f"{density.n_iter_} steps, {truth.score_samples(X_test).mean() - density.score(X_test):.2f} nat from the truth")

# %%
# Three chains
# ------------
# All start on the middle ring and use the same number of gradients of the energy: a draw of ULA or MALA is ten steps, a
# draw of HMC one trajectory of ten leapfrog steps. Langevin chains diffuse along the valley they are in and seldom go
# far; a trajectory keeps its direction around the ring, and R-hat says that its chains agree soonest. ULA never
# rejects, so that its draws also stand where the energy is high.

target = Target(density.score_samples, density.grad_log_density)
samplers = {"ULA": (ULA(0.02), 10), "MALA": (MALA(0.02), 10), "HMC": (HMC(0.1, n_leapfrog=10), 1)}
angle = np.linspace(0.0, 2.0 * np.pi, 20, endpoint=False)
start = 2.0 * np.column_stack([np.cos(angle), np.sin(angle)])
side = np.linspace(-4.0, 4.0, 121)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
energy = -density.score_samples(grid).reshape(121, 121)

figure, panels = plt.subplots(1, 3, figsize=(10, 3.4), sharey=True, layout="constrained")
for panel, (name, (sampler, thin)) in zip(panels, samplers.items(), strict=True):
    rng = np.random.default_rng(0)
    run = run_chains(sampler, target, start, n_warmup=0, n_draws=200, thin=thin, rng=rng)
    radius = np.linalg.norm(run.draws, axis=2)
    crossings = np.mean(np.diff(np.digitize(radius, [1.5, 2.5]), axis=0) != 0)
    rhat = run.diagnostics["rhat"]
    print(f"{name:5s} acceptance {run.acceptance:.2f}, R-hat {rhat:.2f}, ring changed in {crossings:.0%} of draws")
    image = panel.contourf(side, side, energy, levels=np.arange(1.0, 10.5, 0.5), extend="max", cmap="Blues_r")
    panel.plot(*run.draws[:, 0].T, color="C1", linewidth=0.6, alpha=0.8)
    panel.plot(*run.draws[:, 0].T, ".", color="C1", markersize=3)
    panel.set(title=name, aspect="equal", xlabel="$x_1$", xlim=(-4, 4), ylim=(-4, 4))
panels[0].set_ylabel("$x_2$")
figure.colorbar(image, ax=panels, label="$-\\log p$, nats", ticks=[2, 4, 6, 8, 10], shrink=0.9, pad=0.01)
plt.show()
