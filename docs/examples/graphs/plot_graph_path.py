r"""
A graph along the path of its penalty
=====================================

Which columns depend on each other, given all the others? Under the penalty :math:`\alpha\sum_{i\ne j}|K_{ij}|`
interactions come in one by one as α falls. :class:`~skscore.ScoreMatchingDensityCV` fits the whole path and chooses a
place on it; here the true graph is known, and four ways to choose are compared.
"""

# %%
# Four hubs
# ---------
# Twenty columns in four groups, in each of which one column interacts with the other four: 16 edges of partial
# correlation 0.3, and 500 rows.

import matplotlib.pyplot as plt
import numpy as np

from skscore import ScoreMatchingDensityCV
from skscore.plotting import GraphDisplay, PathDisplay

p, columns = 20, np.arange(20)
hub = 5 * (columns // 5)
K = np.eye(p)
K[columns, hub] = K[hub, columns] = -0.3
np.fill_diagonal(K, 1.0)
X = np.random.default_rng(0).multivariate_normal(np.zeros(p), np.linalg.inv(K), 500)
X /= X.std(axis=0)

# %%
# Four choices on one path
# ------------------------
# Rows held out choose for prediction: small interactions too many cost little there. The one-standard-error rule takes
# the sparsest graph that they cannot tell from the best. The score matching information criterion is Akaike's
# analogue, and as generous. The extended Bayesian criterion refits each graph without the penalty and makes every edge
# pay what a pair that is not there would gain by chance.

choices = {
    "held-out rows": {"selection": "cv"},
    "one standard error": {"selection": "cv", "rule": "one_standard_error"},
    "SMIC": {"selection": "smic"},
    "eBIC": {"selection": "ebic"},
}
true = np.triu(K != 0.0, 1)
graphs = {name: ScoreMatchingDensityCV(**options).fit(X) for name, options in choices.items()}
for name, graph in graphs.items():
    edges = np.triu(graph.interaction_ != 0.0, 1)
    print(
        f"{name:19s} alpha {graph.alpha_:.3f}: {(edges & true).sum()} of 16 edges, {(edges & ~true).sum()} false ones"
    )

# %%
# The path, and the graph that eBIC chose
# ---------------------------------------
# Left: each line is an interaction, and the dashed line is the chosen penalty; what enters later is grey. Right: the
# graph, whose hubs are every fifth column. Edges are as wide as partial correlations, blue where these are positive
# and red where negative. The false edges are thin.

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
PathDisplay.from_estimator(graphs["eBIC"], ax=left)
GraphDisplay.from_estimator(graphs["eBIC"], kind="graph", ax=right)
plt.show()
