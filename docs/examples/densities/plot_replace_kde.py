"""
In the place of a KernelDensity
===============================

One search over scalers and densities of a table of eight columns. :class:`~sklearn.neighbors.KernelDensity` is one of
the candidates: :class:`~skscore.TransformedDensity` takes any density, and its log-likelihoods have the units of the
table, so that all candidates can be compared. :doc:`/user_guide/coming_from` has the lines that change.
"""

# %%
# Candidates
# ----------
# Sizes and shapes of 569 tumours, shuffled into folds.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import PowerTransformer, StandardScaler

from skscore import ScoreMatchingDensity, TransformedDensity

X = load_breast_cancer(as_frame=True).data.iloc[:, [0, 1, 4, 5, 6, 7, 8, 9]]
folds = KFold(5, shuffle=True, random_state=0)
candidates = {
    "KernelDensity": (KernelDensity(), {"density__bandwidth": [0.3, 0.4, 0.6]}),
    "ScoreMatchingDensity": (ScoreMatchingDensity(), {"density__alpha": [0.0, 0.1]}),
}
scalers = {"transformer": [StandardScaler(), PowerTransformer()]}
log_density = {}
for name, (density, grid) in candidates.items():
    search = GridSearchCV(TransformedDensity(density, None), grid | scalers, cv=folds).fit(X)
    log_density[name] = np.empty(len(X))
    for train, test in folds.split(X):
        log_density[name][test] = search.best_estimator_.fit(X.iloc[train]).score_samples(X.iloc[test])
    print(f"{name:21s} {search.best_score_:.2f} nats per tumour, behind {search.best_params_['transformer']}")

# %%
# Tumour by tumour
# ----------------
# Log-densities of tumours that the fit has not seen. Above the line a tumour is likelier by score matching.

figure, ax = plt.subplots(figsize=(5.6, 5.2), layout="constrained")
x, y = log_density.values()
print(f"likelier by score matching: {(y > x).sum()} of {len(X)} tumours")
ax.plot(x, y, "o", ms=4, mew=0, alpha=0.7)
ends = [min(x.min(), y.min()) - 1.0, max(x.max(), y.max()) + 1.0]
ax.plot(ends, ends, color="0.5", lw=1)
ax.set(xlabel="KernelDensity, nats", ylabel="ScoreMatchingDensity, nats", xlim=ends, ylim=ends)
plt.show()
