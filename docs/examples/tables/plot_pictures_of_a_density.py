r"""
A density in pictures
=====================

Is a fitted density like its table? Which rows are common, which are odd, and why? Three displays answer, and all of
them take a frame as it is. The table: 178 wines of three cultivars, with the cultivar as a category.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_wine

from skscore import TabularDensity
from skscore.plotting import ContributionsDisplay, DensityDisplay, PairDisplay

bunch = load_wine(as_frame=True)
cultivar = pd.Series(bunch.target).map({0: "Barolo", 1: "Grignolino", 2: "Barbera"})
wines = bunch.data[["alcohol", "malic_acid", "flavanoids", "color_intensity", "proline"]].assign(cultivar=cultivar)
held_out = np.random.default_rng(0).permutation(len(wines)) < 60
table, fresh = wines[~held_out], wines[held_out]
density = TabularDensity(numeric="gaussian", discrete="tree", random_state=1).fit(table)

# %%
# Real rows against synthetic ones
# --------------------------------
# :class:`~skscore.plotting.PairDisplay` has the real rows below the diagonal and as many draws above it: the two halves
# should be mirror images. The diagonal shows the shares of both. Numbers in ``distances`` are total variations, which
# are not zero by chance either.

pairs = PairDisplay.from_estimator(density, wines, random_state=0)
for column, distance in zip(pairs.columns, pairs.distances, strict=True):
    print(f"{column.name:15s} {distance:.2f}")
plt.show()

# %%
# Where the wines are
# -------------------
# The density of two columns alone, by draws, with the smallest regions that hold half, 80 and 95 % of the mass. The
# dots are wines that were not fitted.

DensityDisplay.from_estimator(
    density, fresh, features=("flavanoids", "color_intensity"), kind="marginal", regions=(0.5, 0.8, 0.95), eps=0.3
)
plt.show()

# %%
# Why a wine is odd
# -----------------
# The least likely of the wines held out, and what each of its cells adds to −log p beyond what that column adds in a
# median row. Cells that are ordinary by themselves can be odd together.

odd = fresh.iloc[[density.score_samples(fresh).argmin()]]
ContributionsDisplay.from_estimator(density, odd, reference=table)
plt.show()
