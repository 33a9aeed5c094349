"""
Which properties of a wine depend on each other?
================================================

Thirteen properties of 178 wines. Most of them are correlated, since the wines come from three cultivars. A graph shows
what is left if all other properties are given. The guide is in :doc:`/user_guide/graphs`.
"""

# %%
# A graph chosen by the extended information criterion
# ----------------------------------------------------
# The penalty has the units of the columns, and so the columns are scaled first.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.preprocessing import PowerTransformer

from skscore import ScoreMatchingDensityCV
from skscore.plotting import GraphDisplay

bunch = load_wine(as_frame=True)
names = [name.replace("_", " ").replace("od280/od315 of diluted wines", "OD ratio") for name in bunch.data.columns]
X = PowerTransformer().fit_transform(bunch.data)
graph = ScoreMatchingDensityCV(selection="ebic").fit(X)
upper = np.triu_indices(13, 1)
correlation = np.corrcoef(X.T)[upper]
print(f"of 78 pairs {(abs(correlation) > 0.2).sum()} are correlated by more than 0.2, "
      f"{np.count_nonzero(graph.interaction_[upper])} are edges")  # fmt: skip

# %%
# The strongest edges
# -------------------
# Partial correlations are the interactions without their units.

K = graph.interaction_
partial = -K / np.sqrt(np.outer(np.diag(K), np.diag(K)))
for pair in sorted(zip(*upper, strict=True), key=lambda pair: -abs(partial[pair]))[:5]:
    i, j = pair
    print(f"{names[i]:20s} {names[j]:20s} partial correlation {partial[i, j]:5.2f}")

figure, ax = plt.subplots(figsize=(8.0, 7.0), layout="constrained")
GraphDisplay.from_estimator(graph, feature_names=names, ax=ax)
plt.show()
