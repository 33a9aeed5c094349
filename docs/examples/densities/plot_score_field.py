"""
The score field of a banana
===========================

Score matching fits the field :math:`s(x) = \\nabla_x \\log p(x)`: at each point, the direction in which the density
rises fastest. For this density, a Gaussian bent along a parabola, the field is known, and can be compared with the fit.
"""

# %%
# 3000 rows and a polynomial of degree 4
# --------------------------------------
# The log-density of the banana is itself a polynomial of degree 4. :class:`~skscore.ScoreMatchingDensity` finds its
# coefficients by one linear solve, without the normaliser.

import matplotlib.pyplot as plt
import numpy as np

from skscore import ScoreMatchingDensity
from skscore.datasets import Banana
from skscore.metrics import fisher_divergence
from skscore.plotting import DensityDisplay, ScoreFieldDisplay

truth = Banana()
X, held_out = truth.sample(3000, random_state=0), truth.sample(3000, random_state=1)
density = ScoreMatchingDensity("polynomial").fit(X)

error = fisher_divergence(truth.grad_log_density, density.grad_log_density, held_out)
print(f"log-likelihood {density.score(held_out):.3f} nats, truth {truth.score_samples(held_out).mean():.3f}")
print(f"half the mean squared error of the score: {error:.4f}")

# %%
# Density and score
# -----------------
# Shades are the density, arrows the score. They point towards the ridge of the banana and grow with the distance from
# it; long ones are compressed. The fitted field goes on where there are no rows, since a polynomial does, but nothing
# holds it to the truth there.

window = [[-5.0, -4.0], [5.0, 7.0]]
figure, axes = plt.subplots(1, 2, figsize=(9, 4.6), sharex=True, sharey=True, layout="constrained")
for ax, title, model in zip(axes, ["truth", "fit to 3000 rows"], [truth, density], strict=True):
    shades = DensityDisplay.from_estimator(
        model, window, eps=0, grid_resolution=200, show_rows=False, levels=np.linspace(0.0, 0.085, 18), ax=ax
    )
    ScoreFieldDisplay.from_estimator(model, window, eps=0, grid_resolution=19, ax=ax, color="0.2", width=0.0035)
    ax.set(title=title, xlabel="$x_1$", ylabel="$x_2$")
    ax.label_outer()
figure.colorbar(shades.surface_, ax=axes, label="density", ticks=[0.0, 0.02, 0.04, 0.06, 0.08])
plt.show()
