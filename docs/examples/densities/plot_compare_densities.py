"""
Four estimators on two toy distributions
========================================

Score matching compared with :class:`~sklearn.neighbors.KernelDensity` and :class:`~sklearn.mixture.GaussianMixture`,
each tuned by the same cross-validation on the same 3000 rows. Both log-densities are known exactly, and so is the loss
of each fit: the Kullback-Leibler divergence, estimated on held-out rows.
"""

# %%
# Candidates
# ----------
# All are scored by :func:`~skscore.metrics.log_likelihood_scorer`, the mean log-density per row;
# ``KernelDensity.score`` alone would be a sum.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity

from skscore import ScoreMatchingDensity
from skscore.datasets import Banana, FourGaussians
from skscore.metrics import log_likelihood_scorer
from skscore.plotting import DensityDisplay

candidates = {
    "Gaussian": (ScoreMatchingDensity("gaussian"), {"alpha": [0.0, 0.1]}),
    "polynomial": (ScoreMatchingDensity("polynomial"), {"alpha": [0.0, 0.1, 1.0]}),
    "KernelDensity": (KernelDensity(), {"bandwidth": [0.1, 0.2, 0.3, 0.5, 0.8]}),
    "GaussianMixture": (GaussianMixture(random_state=0), {"n_components": [2, 4, 8]}),
}
truths = {"banana": Banana(), "four Gaussians": FourGaussians()}
held_out = {name: truth.sample(2000, random_state=1) for name, truth in truths.items()}
fits, losses = {}, {}
for truth_name, truth in truths.items():
    X = truth.sample(3000, random_state=0)
    exact = log_likelihood_scorer(truth, held_out[truth_name])
    for name, (density, grid) in candidates.items():
        search = GridSearchCV(density, grid, scoring=log_likelihood_scorer, cv=3)
        fits[truth_name, name] = search.fit(X).best_estimator_
        losses[truth_name, name] = exact - search.score(held_out[truth_name])
        print(f"{truth_name:15s} {name:16s} {losses[truth_name, name]:.3f} nats below the truth, {search.best_params_}")

# %%
# Results
# -------
# The banana is a polynomial of degree 4, and score matching finds it as well as eight Gaussians do. On the four
# separated Gaussians it finds the modes but not their weights, and loses to both competitors: see
# :ref:`sphx_glr_auto_examples_densities_plot_separated_modes.py`. A mixture of Gaussians is right there. In each line
# the darkest shade is the largest density of the truth.

corners = {"banana": [[-5.0, -4.5], [5.0, 7.0]], "four Gaussians": [[-5.5, -5.0], [5.5, 5.5]]}
figure, axes = plt.subplots(2, 5, figsize=(12, 5.2), layout="constrained")
for (truth_name, truth), line in zip(truths.items(), axes, strict=True):
    panels = {"truth": truth} | {name: fits[truth_name, name] for name in candidates}
    window, darkest = np.array(corners[truth_name]), np.exp(truth.score_samples(held_out[truth_name]).max())
    for ax, (name, density) in zip(line, panels.items(), strict=True):
        options = {"plot_method": "pcolormesh", "show_rows": False, "shading": "gouraud", "vmin": 0.0, "vmax": darkest}
        DensityDisplay.from_estimator(density, window, eps=0, grid_resolution=80, ax=ax, **options)
        ax.set(xticks=[], yticks=[], xlabel="", ylabel="")
        ax.set_title(name if truth_name == "banana" else "")
        ax.set_xlabel(f"{losses[truth_name, name]:.3f} nats lost" if name in candidates else "")
    line[0].set_ylabel(truth_name)
plt.show()
