r"""
Langevin and Hamiltonian chains on a banana
===========================================

A score is all that a sampler needs. Three of them, from the simplest on:

* :class:`~skscore.samplers.ULA` follows the score and adds noise. It never rejects, and is biased by its step.
* :class:`~skscore.samplers.MALA` takes the same step as a proposal and corrects it by a Metropolis test.
* :class:`~skscore.samplers.HMC` follows Hamilton's equations for many small steps between tests.
"""

# %%
# Three samplers, one target
# --------------------------
# A :class:`~skscore.samplers.Target` is a log-density, up to a constant, and its score. 100 chains start spread out; each
# takes 500 steps of warm-up, in which MALA and HMC adapt their step size, and keeps draws from the next 20,000 scores
# that it pays for: one in ten steps of ULA and MALA, each trajectory of HMC.

import matplotlib.pyplot as plt
import numpy as np

from skscore.datasets import Banana
from skscore.plotting import DensityDisplay
from skscore.samplers import HMC, MALA, ULA, Target, run_chains

law = Banana()
target = Target(law.score_samples, law.grad_log_density)
samplers = {"ULA": (ULA(0.3), 10), "MALA": (MALA(0.3), 10), "HMC": (HMC(0.3, n_leapfrog=10), 1)}

runs = {}
for name, (sampler, thin) in samplers.items():
    rng = np.random.default_rng(0)
    start = 2.0 * rng.standard_normal((100, 2))
    runs[name] = run_chains(sampler, target, start, n_warmup=500, n_draws=2000, thin=thin, rng=rng)
    report, spread = runs[name].diagnostics, runs[name].draws.reshape(-1, 2).std(axis=0)
    print(
        f"{name:4s} acceptance {runs[name].acceptance:.2f}  R-hat {report['rhat']:.3f}  "
        f"effective draws {report['ess']:6.0f} of {2000 * 100}  standard deviations {spread.round(2)}"
    )
print("exact standard deviations", np.round([2.0, np.sqrt(1.0 + 2.0 * 0.5**2 * 2.0**4)], 2))

# %%
# Reading the numbers
# -------------------
# R-hat compares the chains with each other; 1 is ideal (Vehtari et al., 2021). ULA mixes well by this measure, towards a
# law that is not the target: only a Metropolis test corrects its bias. For the same number of scores HMC gives the most
# effective draws, since a trajectory crosses the banana where Langevin steps diffuse along it.

figure, axes = plt.subplots(2, 3, figsize=(10, 6), height_ratios=[2, 1], sharey="row", layout="constrained")
for (path, trace), (name, run) in zip(axes.T, runs.items(), strict=True):
    DensityDisplay.from_estimator(law, [[-6.0, -4.5], [6.0, 9.0]], eps=0, show_rows=False, ax=path)
    path.plot(*run.draws[:60, 0].T, ".-", color="C1", linewidth=0.7, markersize=4)
    path.set(title=f"{name}: {run.diagnostics['ess']:,.0f} effective draws", xlabel="$x_1$", ylabel="$x_2$")
    trace.plot(run.draws[:, :3, 0], linewidth=0.6)
    trace.set(xlabel="draw", ylabel="$x_1$ of three chains", xlim=(0, 2000))
    trace.spines[["top", "right"]].set_visible(False)
for ax in axes.flat:
    ax.label_outer()
plt.show()
