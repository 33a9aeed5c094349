r"""
Fewer rows than columns: score matching and the graphical lasso
===============================================================

The graphical lasso maximises a likelihood that needs a positive definite matrix at every step. With 100 rows of 120
columns and a small penalty its solver may run out of steps, or stop with an error. The score-matching objective of a
Gaussian is a quadratic (:doc:`/user_guide/graphs`), which coordinate descent minimises to a given gap.
"""

# %%
# Two tables
# ----------
# A chain, and twelve groups of ten columns that almost repeat each other. Both methods see correlations only.

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.covariance import graphical_lasso
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import PrecisionRecallDisplay, average_precision_score
from sklearn.preprocessing import scale

from skscore import ScoreMatchingDensity
from skscore.models import PairwiseInteraction
from skscore.plotting import GraphDisplay

n, p = 100, 120
covariances = {
    "chain": np.linalg.inv(np.eye(p) - 0.35 * (np.eye(p, k=1) + np.eye(p, k=-1))),
    "groups": np.kron(np.eye(p // 10), 0.05 * np.eye(10) + 0.95),
}
rng = np.random.default_rng(0)
tables = {name: scale(rng.multivariate_normal(np.zeros(p), C, n)) for name, C in covariances.items()}

# %%
# One small penalty
# -----------------
# Without the diagonal multiplier so small a penalty would leave the quadratic unbounded below, and ``fit`` says so.
# With a multiplier above 1 the minimum exists. Errors and warnings are caught here and printed.

MULTIPLIER = 1.5


def score_matching(X, alpha):
    model = PairwiseInteraction(diagonal_multiplier=MULTIPLIER)
    return ScoreMatchingDensity(model, alpha=alpha, l1_ratio=1.0).fit(X).interaction_


def lasso(X, alpha):
    return graphical_lasso(X.T @ X / len(X), alpha)[1]


def attempt(method, X, alpha):
    """The matrix, or None, with what was said."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ConvergenceWarning)
        try:
            return method(X, alpha), "".join(str(w.message).split(":")[1] for w in said[-1:])
        except FloatingPointError as error:
            return None, f"{type(error).__name__}: {error}"


methods = {"score matching": score_matching, "graphical lasso": lasso}
upper = np.triu_indices(p, 1)
try:
    ScoreMatchingDensity("pairwise", alpha=0.01, l1_ratio=1.0).fit(tables["chain"])
except ValueError as error:
    print(f"without the multiplier: {str(error).split(':')[0]} ...")
for (table, X), (name, method) in [(t, m) for t in tables.items() for m in methods.items()]:
    K, said = attempt(method, X, 0.01)
    print(f"{table}, {name}: {'no result' if K is None else f'{np.count_nonzero(K[upper])} edges'} {said[:75]}")

# %%
# Which edges are real?
# ---------------------
# Pairs are ranked by their mean absolute partial correlation along three larger penalties, the same fractions of the
# one at which each method leaves no edge. Where the graphical lasso gives a result, both rank edges equally well; score
# matching is some thirty times as quick, or more.

truths = {name: np.abs(np.linalg.inv(C)[upper]) > 1e-9 for name, C in covariances.items()}
ranked = {}
for (table, X), (name, method) in [(t, m) for t in tables.items() for m in methods.items()]:
    largest = np.abs(np.corrcoef(X.T)[upper]).max() / (MULTIPLIER if method is score_matching else 1.0)
    start = time.process_time()
    matrices = [attempt(method, X, fraction * largest)[0] for fraction in (0.7, 0.5, 0.3)]
    seconds = time.process_time() - start
    ranked[table, name] = np.mean([np.abs(GraphDisplay(K).partial_correlation) for K in matrices], axis=0)
    precision = average_precision_score(truths[table], ranked[table, name][upper])
    print(f"{table:7s} {name:16s} average precision {precision:.3f}, {seconds:.1f} s")

# %%
# Precision and recall on the chain
# ---------------------------------

ax = plt.subplots(figsize=(5.5, 4.2), layout="constrained")[1]
for name in methods:
    PrecisionRecallDisplay.from_predictions(truths["chain"], ranked["chain", name][upper], name=name, ax=ax)
ax.set(xlabel="recall", ylabel="precision")
plt.show()
