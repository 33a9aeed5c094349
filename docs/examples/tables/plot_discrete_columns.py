r"""
Rain by the day: a column with a heavy value
============================================

It does not rain on most days, and an amount is measured in tenths of a millimetre. No continuous density has this
column: it would give the zero a spike. ``DenoisingScoreEstimator`` gives the zero an interval of its own, as dense at
its end as the amounts beside it, and the density of the whole line is then a smooth one. The guide is in
:doc:`/user_guide/denoising`.
"""

# %%
# Rain and sunshine
# -----------------
# The more hours of sun, the less likely rain is. The network has two layers of 64 units, much fewer than the default.

import matplotlib.pyplot as plt
import numpy as np

from skscore import DenoisingScoreEstimator
from skscore.maps.cells import dequantize
from skscore.maps.dequantize import find_cells
from skscore.neural import ScoreNetwork

rng = np.random.default_rng(1)
n = 2000
sun = np.abs(rng.normal(6.0, 3.0, n))
wet = rng.random(n) < 1.0 / (1.0 + np.exp(0.5 * (sun - 5.0)))
rain = np.where(wet, 0.1 + rng.gamma(1.2, 4.0, n), 0.0).round(1)
X = np.column_stack([rain, sun])

network = ScoreNetwork(hidden_layer_sizes=(64, 64), max_iter=1500, n_folds=1, device="cpu")
density = DenoisingScoreEstimator(network, random_state=0).fit(X)
draws = density.sample(5000, random_state=0)
report = density.likelihood_report_
print(f"dry days: {np.mean(rain == 0):.3f} of the rows, {np.mean(draws[:, 0] == 0):.3f} of the draws")
print(f"points of a cell: {report.n_cell_points}, doubling them changes a row by {report.cell_difference:.3f} nat")

# %%
# What the density sees, and what comes back
# ------------------------------------------
# On the left the column as it is spread over its cells: dry days lie to the left of the line, in an interval that
# reaches to minus infinity, so that no draw is negative. On the right the share of dry days by hours of sun.

spread = dequantize(X, find_cells(X), np.random.default_rng(0))
edge = find_cells(X)[0].edges[0, 1]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.scatter(*spread.T, s=4, c=np.where(rain == 0.0, "C1", "C0"), linewidths=0)
left.axvline(edge, color="0.4", lw=1)
left.set(xlabel="rain, spread over its cells", ylabel="sun, hours", title="dry days have an interval of their own")
left.set_xlim(spread[:, 0].min() - 1.0, np.quantile(spread[:, 0], 0.995))

hours = np.linspace(0.0, 13.0, 14)
middle = (hours[1:] + hours[:-1]) / 2
for rows, style in ((X, "o"), (draws, "-")):
    bins = np.digitize(rows[:, 1], hours) - 1
    dry = [np.mean(rows[bins == k, 0] == 0.0) if np.sum(bins == k) > 20 else np.nan for k in range(len(middle))]
    right.plot(middle, dry, style, label="rows" if style == "o" else "draws")
right.set(xlabel="sun, hours", ylabel="share of dry days", ylim=(0, 1.02), title="the share that is drawn")
right.legend(frameon=False)
for panel in (left, right):
    panel.spines[["top", "right"]].set_visible(False)
plt.show()
