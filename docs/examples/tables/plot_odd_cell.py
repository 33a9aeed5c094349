r"""
Which cell makes this row an outlier?
=====================================

That a row is unlikely helps little, if nobody knows why. ``feature_contributions`` of :class:`~skscore.TabularDensity`
splits −log p of a row into its cells. Here one cell of each row is swapped for that of another row, so that the answer
is known. The guide is in :doc:`/user_guide/tables`.
"""

# %%
# Wines with one wrong cell each
# ------------------------------
# 178 wines of three cultivars. Two thirds are fitted; each of the others gets one cell, of a random column, from a wine
# drawn at random. Every value that comes in so is an ordinary one of its column: only together with the other cells of
# its row it may be odd.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_wine

from skscore import TabularDensity

names = ["alcohol", "malic_acid", "flavanoids", "color_intensity", "hue", "proline"]
units = ["%", "g/l", "g/l", "", "", "mg/l"]
bunch = load_wine(as_frame=True)
wines = bunch.data[names].assign(cultivar=pd.Series(bunch.target).map({0: "A", 1: "B", 2: "C"}))
rng = np.random.default_rng(0)
order = rng.permutation(len(wines))
table, right = (wines.iloc[rows].reset_index(drop=True) for rows in (order[60:], order[:60]))

density = TabularDensity(numeric="gaussian", discrete="tree", random_state=1).fit(table)
wrong, swapped = right.copy(), rng.integers(wines.shape[1], size=len(right))
for row, column in enumerate(swapped):
    wrong.iloc[row, column] = wines.iloc[rng.integers(len(wines)), column]

# %%
# What each cell adds
# -------------------
# A cell of a number costs what the units of its column make it cost. So the mean of the column is taken away: the
# excess says what the cell costs more than such cells do.

usual = density.feature_contributions(right).mean()
excess = density.feature_contributions(wrong) - usual
alone = pd.DataFrame({name: -density.marginal_score_samples(wrong, [name]) for name in wines})
alone -= [-density.marginal_score_samples(right, [name]).mean() for name in wines]
changed = density.score_samples(right) - density.score_samples(wrong)
print("nats that the swap cost      swaps   found by its contribution   found by its column alone")
for low, high in ((-np.inf, 1.0), (1.0, 4.0), (4.0, np.inf)):
    some = (low < changed) & (changed <= high)
    found = [(part.to_numpy().argmax(axis=1) == swapped)[some].mean() for part in (excess, alone)]
    print(f"{low:4.0f} to {high:3.0f} {some.sum():24d} {found[0]:20.2f} {found[1]:27.2f}")

# %%
# Swaps for a similar value cost nothing, and nothing tells them. Those that make a row unlikely are found, though each
# value by itself is an ordinary one.
#
# The row that suffered most
# --------------------------
# The wine, with the colour of another one, is not where wines of its cultivar are. On the left the excess of each cell;
# right cells that the wrong one is at odds with have a share in it.


def axis_label(name):
    unit = units[names.index(name)]
    return name.replace("_", " ") + (f" ({unit})" if unit else "")


worst = int(changed.argmax())
odd = wines.columns[swapped[worst]]
other = excess.iloc[worst][names].drop(odd, errors="ignore").idxmax()
labels = []
for name, unit in zip(wines, [*units, ""], strict=True):
    before, after = (f"{value:.4g}" if name in names else value for value in (right[name][worst], wrong[name][worst]))
    note = f" (was {before})" if name == odd else ""
    labels.append(f"{name.replace('_', ' ')}\n{after} {unit}".rstrip() + note)

figure, (bars, cloud) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
bars.barh(labels, excess.iloc[worst], color=np.where(wines.columns == odd, "C3", "C0"), height=0.65)
bars.axvline(0.0, color="0.2", lw=1)
bars.invert_yaxis()
bars.set(xlabel="nats more than the mean of the column", title="what each cell of the row adds to −log p")
for color, (cultivar, some) in zip(("C0", "C1", "C2"), wines.groupby("cultivar"), strict=True):
    cloud.plot(some[other], some[odd], "o", ms=4, mew=0, alpha=0.6, color=color, label=f"cultivar {cultivar}")
ends = {"xy": (wrong[other][worst], wrong[odd][worst]), "xytext": (right[other][worst], right[odd][worst])}
cloud.annotate("", **ends, arrowprops={"arrowstyle": "-|>", "color": "C3", "lw": 1.5, "shrinkA": 0, "shrinkB": 0})
cloud.plot(*ends["xytext"], "o", ms=8, mfc="none", mec="C3", label=f"the row, of cultivar {right['cultivar'][worst]}")
cloud.set(title="the swap", xlabel=axis_label(other), ylabel=axis_label(odd))
cloud.legend(frameon=False)
for ax in (bars, cloud):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
