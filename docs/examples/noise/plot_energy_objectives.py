r"""
Implicit or sliced: cost and variance of a step
===============================================

The implicit objective of an energy contains its Laplacian, at the cost of a forward pass for each column. The sliced
one (Song et al., 2019) uses a few random directions: cheaper, equal on average, and noisier. What matters is the
product of both, seconds times variance of the gradient, to which the time to a given accuracy is proportional.
"""

# %%
# Ratios to the exact step
# ------------------------
# Half the columns bend with the other half. A network of two layers is trained for a while; then many batches are
# drawn, and with each the gradient of the objective in the weights by both objectives, side by side.

import time

import matplotlib.pyplot as plt
import numpy as np
import torch

from skscore import ScoreMatchingDensity
from skscore.models.family import Sample
from skscore.neural import NeuralEnergy
from skscore.neural.energy_network import build_energy
from skscore.neural.energy_training import Curvature

OBJECTIVES = {"implicit": Curvature(), "sliced, 1 direction": Curvature(1), "sliced, 5 directions": Curvature(5)}
columns, rng = [2, 4, 8, 16, 32], np.random.default_rng(0)


def bent(n, d):
    """Rows of which the last columns are bent by the first."""
    Z = rng.standard_normal((n, d))
    Z[:, d // 2 :] += Z[:, : d - d // 2] ** 2
    return Z


def gradient(energy, rows, objective, generator):
    """The gradient in the weights, and the seconds that it took."""
    begin = time.perf_counter()
    value = objective.values(energy, rows, objective.draw(rows.X, generator)).mean()
    gradient = torch.autograd.grad(value, list(energy.network.parameters()))
    return torch.cat([part.flatten() for part in gradient]), time.perf_counter() - begin


ratios = {name: [] for name in OBJECTIVES}
for d in columns:
    X, generator = bent(2000, d), torch.Generator().manual_seed(0)
    model = NeuralEnergy((64, 64), max_iter=100, validation_fraction=0.0, random_state=0)
    density = ScoreMatchingDensity(model, objective="sliced").fit(X)
    energy = build_energy(model, d)
    energy.load_state_dict({name: torch.tensor(array) for name, array in density.weights_.items()})
    y = torch.from_numpy((X - X.mean(axis=0)) / X.std(axis=0)).float()
    drawn = {name: [] for name in OBJECTIVES}
    for _ in range(40):
        rows = Sample(y[torch.randint(len(y), (256,), generator=generator)], None, None, None)
        for name, objective in OBJECTIVES.items():
            drawn[name].append(gradient(energy, rows, objective, generator))
    found = {
        name: (np.median([s for _, s in pairs]), torch.stack([g for g, _ in pairs]).var(dim=0).sum().item())
        for name, pairs in drawn.items()
    }
    for name, (seconds, variance) in found.items():
        exact = found["implicit"]
        ratios[name].append((seconds / exact[0], variance / exact[1], seconds * variance / (exact[0] * exact[1])))
        if name != "implicit":
            print(f"{d:3d} columns, {name}: cost {ratios[name][-1][0]:.2f}, variance {ratios[name][-1][1]:.2f}")

# %%
# Reading the figure
# ------------------
# The cost of an exact step grows with the columns and that of a slice does not, while the variance that slices add
# levels off: the noise of the batch is there in any case. Where the product falls below one, slices reach a given
# accuracy sooner. ``objective="auto"`` changes there, by a benchmark of a larger network.

figure, panels = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
titles = ["seconds", "variance of the gradient", "seconds × variance"]
for place, (panel, title) in enumerate(zip(panels, titles, strict=True)):
    for number, (name, values) in enumerate(ratios.items()):
        panel.plot(columns, [value[place] for value in values], ".-", color=f"C{number}", label=name)
    panel.set(title=title, xscale="log", yscale="log", xlabel="columns")
    panel.minorticks_off()
    panel.set_xticks(columns, [str(d) for d in columns])
    panel.set_yticks([0.1, 0.2, 0.5, 1, 2], ["0.1", "0.2", "0.5", "1", "2"])
    panel.spines[["top", "right"]].set_visible(False)
panels[0].set_ylabel("ratio to the exact step")
panels[0].legend(frameon=False)
plt.show()
