r"""
Missing cells with intervals
============================

A missing cell that is filled with one number looks as if it had been measured. ``impute(n_draws=...)`` of
:class:`~skscore.TabularDensity` fills it many times, with draws from its density given the other cells of its row, and
quantiles of the draws are an interval. Here cells are removed from a table, so that the truth is known. The guide is in
:doc:`/user_guide/conditioning`.
"""

# %%
# A table with one number in five removed
# ---------------------------------------
# 442 diabetes patients: sex as a category, and measurements. Total cholesterol is the sum of LDL, HDL and a rest that
# is not in this table; age depends on little that is.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

from skscore import TabularDensity

names = {
    "age": "age (years)",
    "bmi": "body mass index (kg/m²)",
    "s1": "total cholesterol (mg/dl)",
    "s2": "LDL (mg/dl)",
    "s3": "HDL (mg/dl)",
    "s6": "glucose (mg/dl)",
}
patients = load_diabetes(as_frame=True, scaled=False).data
truth = patients[list(names)].rename(columns=names)
lost = np.random.default_rng(0).random(truth.shape) < 0.2
table = truth.mask(lost).assign(sex=np.where(patients["sex"] == 1, "A", "B"))

density = TabularDensity(numeric="gaussian", discrete="tree", random_state=1).fit(table)
print(density.schema_)

# %%
# Draws, and intervals
# --------------------
# Quantiles by ``method="weibull"`` cover what they say for any number of draws; the default of numpy is too narrow.

draws = density.impute(table, n_draws=100, random_state=2)
values = np.stack([draw[truth.columns].to_numpy() for draw in draws])
low, median, high = np.quantile(values, [0.05, 0.5, 0.95], axis=0, method="weibull")
is_inside = (low <= truth.to_numpy()) & (truth.to_numpy() <= high)
print(f"90 % intervals cover {is_inside[lost].mean():.3f} of {lost.sum()} missing cells")

spread = np.nanquantile(table[truth.columns].to_numpy(), [0.05, 0.95], axis=0)
share, coverage = [], []
for j, name in enumerate(truth.columns):
    missing = lost[:, j]
    share.append((high - low)[missing, j].mean() / np.ptp(spread[:, j]))
    coverage.append(is_inside[missing, j].mean())
    print(f"{name:26s} covered {coverage[-1]:.2f} of {missing.sum():3d}, {share[-1]:.2f} as wide as the column")

# %%
# On the left, each missing cell of one column: the interval, and the truth. On the right, how much the other cells of a
# row tell: the width of the interval, where that of the column itself is 1. With some hundred cells of a column, what
# they cover has a standard error of 3 %.

j = list(truth.columns).index(names["s1"])
rows = np.flatnonzero(lost[:, j])
rows = rows[np.argsort(median[rows, j])]
place, right = np.arange(len(rows)), is_inside[rows, j]
values_true = truth.to_numpy()[rows, j]
figure, (left, bars) = plt.subplots(1, 2, figsize=(11.5, 4.4), layout="constrained", width_ratios=[1.25, 1])
left.vlines(place, low[rows, j], high[rows, j], color="0.8", lw=4, label="90 % interval")
left.plot(place[right], values_true[right], "o", ms=4, color="C0", label="truth, inside")
left.plot(place[~right], values_true[~right], "D", ms=5, color="C3", label="truth, outside")
left.axhline(table[names["s1"]].mean(), color="0.4", lw=1, ls="--", label="mean of the column")
left.set(xlabel="missing cells, in the order of their medians", ylabel=names["s1"], xticks=[])
left.legend(frameon=False, loc="upper left")

order = np.argsort(share)[::-1]
bars.barh(np.array(truth.columns)[order], np.array(share)[order], color="C0", height=0.6)
for y, k in enumerate(order):
    bars.text(share[k] - 0.02, y, f"covers {100 * coverage[k]:.0f} %", ha="right", va="center", color="white")
bars.axvline(1.0, color="0.4", lw=1, ls="--")
bars.set(xlabel="width of the interval / width of the column", xlim=(0, 1.05))
for ax in (left, bars):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
