"""
Tumours that differ from benign ones
====================================

A :class:`~skscore.DensityOutlierDetector` that has seen benign tumours alone is asked about others, in the place of an
:class:`~sklearn.ensemble.IsolationForest`. The guide is in :doc:`/user_guide/outliers`.
"""

# %%
# Benign tumours, and all that were left out
# ------------------------------------------
# Eight columns of 569 tumours. Half of the benign ones are for the fit.

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import IsolationForest
from sklearn.metrics import RocCurveDisplay, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import PowerTransformer

from skscore import DensityOutlierDetector, ScoreMatchingDensity, TransformedDensity

bunch = load_breast_cancer(as_frame=True)
table, malignant = bunch.data.iloc[:, [0, 1, 4, 5, 6, 7, 8, 9]], (bunch.target == 0).to_numpy()
benign, others = train_test_split(table[~malignant], test_size=0.5, random_state=1)
asked = [(others, False), (table[malignant], True)]

detectors = {
    "IsolationForest": IsolationForest(contamination=0.05, random_state=0),
    "Gaussian, power-transformed": DensityOutlierDetector(
        TransformedDensity(ScoreMatchingDensity(alpha=0.1), PowerTransformer()), contamination=0.05
    ),
}
for name, detector in detectors.items():
    detector.fit(benign)
    flagged = [(detector.predict(rows) == -1).mean() for rows, _ in asked]
    print(f"{name:28s} flags {flagged[0]:.0%} of other benign tumours, {flagged[1]:.0%} of malignant ones")

# %%
# At every threshold
# ------------------
# ``contamination`` is one threshold. The curve shows all of them: the share of malignant tumours that is found, over
# the share of benign ones that is flagged by error.

figure, ax = plt.subplots(figsize=(5.5, 5.0), layout="constrained")
truth = [label for rows, label in asked for _ in range(len(rows))]
for name, detector in detectors.items():
    oddness = [-s for rows, _ in asked for s in detector.score_samples(rows)]
    print(f"{name:28s} area under the curve {roc_auc_score(truth, oddness):.3f}")
    RocCurveDisplay.from_predictions(truth, oddness, name=name, ax=ax)
ax.set(xlabel="share of benign tumours that are flagged", ylabel="share of malignant tumours that are flagged")
plt.show()
