r"""
One-hot columns have no likelihood
==================================

A category can be written as columns of zeros and ones, and a Gaussian mixture takes them. But its log-likelihood then
says nothing: it grows without bound as ``reg_covar`` falls, for the rows lie on the corners of a cube, and a density of
the space around may be as high there as one likes. :class:`~skscore.TabularDensity` gives a category its probability.
The guide is in :doc:`/user_guide/tables`.
"""

# %%
# A law that is known
# -------------------
# A colour, a shape that depends on it, and a weight in grams that depends on both. The mean log-density of fresh rows
# under their own law is the most that any density can have in the long run.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.mixture import GaussianMixture

from skscore import TabularDensity

COLOURS, SHAPES = np.array(["red", "green", "blue"]), np.array(["round", "square"])
IS_ROUND = np.array([0.9, 0.5, 0.2])  # by colour


def goods(n, rng):
    colour = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    square = (rng.random(n) > IS_ROUND[colour]).astype(int)
    weight = 5.0 + colour + 2.0 * square + rng.standard_normal(n)
    log_p = np.log(np.array([0.5, 0.3, 0.2])[colour]) + np.log(np.abs(square - IS_ROUND[colour]))
    table = pd.DataFrame({"colour": COLOURS[colour], "shape": SHAPES[square], "weight_g": weight})
    return table, log_p + norm.logpdf(weight, 5.0 + colour + 2.0 * square)


rng = np.random.default_rng(0)
table, _ = goods(2000, rng)
fresh, log_law = goods(2000, rng)

# %%
# One table, four answers
# -----------------------
# Each mixture of six Gaussians finds the six corners. What it then says of fresh rows is the number that was chosen
# for ``reg_covar``. Three one-hot columns that sum to one are collinear besides, so that two of them may be dropped or
# not: that is another choice of the answer.

reg_covars = np.geomspace(1e-1, 1e-9, 9)
encodings = {"one-hot": False, "one-hot, first level dropped": True}
scores = {name: [] for name in encodings}
for name, drop_first in encodings.items():
    encoded, encoded_fresh = (pd.get_dummies(frame, drop_first=drop_first, dtype=float) for frame in (table, fresh))
    for reg_covar in reg_covars:
        mixture = GaussianMixture(6, reg_covar=reg_covar, random_state=0).fit(encoded)
        scores[name].append(mixture.score(encoded_fresh))

density = TabularDensity(numeric="gaussian", discrete="tree", random_state=0).fit(table)
found, law = density.score(fresh), log_law.mean()
print(f"law {law:.3f}, TabularDensity {found:.3f} nats per fresh row")
for reg_covar, *values in zip(reg_covars, *scores.values(), strict=True):
    print(f"reg_covar {reg_covar:.0e}: " + ", ".join(f"{value:6.1f}" for value in values))

# %%
# A factor of ten in ``reg_covar`` is worth ½ log 10, or 1.15 nats, for each column of zeros and ones. Nothing of this
# is about the rows.

figure, ax = plt.subplots(figsize=(7.5, 4.4), layout="constrained")
for (name, values), marker in zip(scores.items(), "os", strict=True):
    ax.semilogx(reg_covars, values, marker=marker, ms=5, label=f"GaussianMixture, {name}")
ax.axhline(found, color="C2", lw=2, label="TabularDensity")
ax.axhline(law, color="0.2", lw=1, ls="--", label="the law of the rows")
ax.invert_xaxis()
ax.set(xlabel="reg_covar", ylabel="log-likelihood of fresh rows (nats per row)", title="the answer is reg_covar")
ax.legend(frameon=False, loc="upper left")
ax.spines[["top", "right"]].set_visible(False)
plt.show()
