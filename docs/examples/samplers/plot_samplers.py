r"""
Langevin and Hamiltonian chains on a banana
===========================================

A sampler needs little more than a score. Here are three samplers, the simplest first:

* :class:`~skscore.samplers.ULA` follows the score and adds noise. It never rejects, and is biased by its step.
* :class:`~skscore.samplers.MALA` takes the same step as a proposal and corrects it by a Metropolis test.
* :class:`~skscore.samplers.HMC` follows Hamilton's equations for many small steps between two tests.
"""

# %%
# Three samplers, one target
# --------------------------
# A :class:`~skscore.samplers.Target` is a log-density, up to a constant, and its score. 100 chains start spread out and
# take 500 steps of warm-up, in which MALA and HMC adapt their step size. Then each sampler spends about 10,000 scores
# per chain and keeps 1000 draws: every tenth step of ULA and MALA, every trajectory of ten leapfrog steps of HMC.

import matplotlib.pyplot as plt
import numpy as np

from skscore.datasets import Banana
from skscore.plotting import DensityDisplay
from skscore.samplers import HMC, MALA, ULA, Target, run_chains

truth = Banana(scale=2.0, curvature=0.3)
exact_sd = np.sqrt([truth.scale**2, 1.0 + 2.0 * truth.curvature**2 * truth.scale**4])
target = Target(truth.score_samples, truth.grad_log_density)
samplers = {"ULA": (ULA(0.3), 10), "MALA": (MALA(0.3), 10), "HMC": (HMC(0.3, n_leapfrog=10), 1)}

runs = {}
for name, (sampler, thin) in samplers.items():
    rng = np.random.default_rng(0)
    start = rng.standard_normal((100, 2)) * exact_sd
    runs[name] = run_chains(sampler, target, start, n_warmup=500, n_draws=1000, thin=thin, rng=rng)
    rhat, ess = runs[name].diagnostics["rhat"], runs[name].diagnostics["ess"]
    sd = runs[name].draws.reshape(-1, 2).std(axis=0).round(2)
    print(f"{name:5s} acceptance {runs[name].acceptance:.2f}, R-hat {rhat:.3f}, effective draws {ess:5.0f}, sd {sd}")
print("exact standard deviations", exact_sd.round(2))

# %%
# Reading the numbers
# -------------------
# R-hat compares the chains with each other; 1 is ideal (Vehtari et al., 2021). The effective draws are the independent
# draws that the 100,000 dependent ones are worth. ULA looks fine by both measures and is wrong: its chains agree on a
# density that is not the target: too narrow by a seventh in its second column. For the same number of scores HMC gives
# nearly twice the effective draws of MALA: a trajectory crosses the banana where Langevin steps diffuse along it, and
# may stay in an arm.

figure, axes = plt.subplots(2, 3, figsize=(10, 5.6), height_ratios=[2, 1], sharey="row", layout="constrained")
window = [[-6.0, -3.5], [6.0, 7.5]]
for (cloud, trace), (name, run) in zip(axes.T, runs.items(), strict=True):
    DensityDisplay.from_estimator(truth, window, eps=0, show_rows=False, ax=cloud, xlabel="$x_1$", ylabel="$x_2$")
    cloud.plot(*run.draws[499::500].reshape(-1, 2).T, ".", color="C1", markersize=3)
    cloud.set(title=f"{name}: {run.diagnostics['ess']:,.0f} effective draws", xlim=(-6.0, 6.0), ylim=(-3.5, 7.5))
    trace.plot(run.draws[:300, 0, 0], color="C1", linewidth=0.8)
    trace.set(xlabel="draw", ylabel="$x_1$ of one chain", xlim=(0, 300))
    trace.spines[["top", "right"]].set_visible(False)
for ax in axes[:, 1:].flat:
    ax.set_ylabel("")
plt.show()
