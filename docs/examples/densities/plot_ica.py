r"""
Unmixing signals by score matching
==================================

Independent sources that were mixed linearly are found again as the projections whose joint density is best matched by
independent ones. No normaliser is needed, so that there may also be more filters than columns.
"""

# %%
# Two sources
# -----------
# Whitening makes the rows uncorrelated, but leaves a rotation to find. The peaked sources show as a cross; the
# components, drawn over it, are the arms.

import matplotlib.pyplot as plt
import numpy as np

from skscore import ScoreMatchingICA

rng = np.random.default_rng(0)
sources = rng.laplace(size=(3000, 2))
X = sources @ np.array([[2.0, 1.0], [1.0, 1.5]])
ica = ScoreMatchingICA(random_state=0).fit(X)
covariance, U = np.linalg.eigh(np.cov(X.T))
white = (X - X.mean(axis=0)) @ U / np.sqrt(covariance)

figure, panels = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
titles = ["rows, with the columns of mixing_", "whitened", "sources found"]
for panel, rows, title in zip(panels, [X, white, ica.transform(X)], titles, strict=True):
    panel.plot(*rows.T, ".", color="0.4", markersize=2, alpha=0.4)
    panel.set(title=title, aspect="equal")
for number, arm in enumerate(4.0 * ica.mixing_.T):
    panels[0].annotate(
        "", arm + ica.mean_, ica.mean_, arrowprops={"arrowstyle": "-|>", "color": f"C{number}", "linewidth": 2.5}
    )
for panel in panels:
    panel.spines[["top", "right"]].set_visible(False)

# %%
# Three signals in three microphones
# ----------------------------------
# A sparse spike train, speech-like bursts and Laplace noise are mixed. Components come in an order and with signs of
# their own; here each is shown beside the source that it matches.

t = np.linspace(0.0, 1.0, 2000)
spikes = rng.laplace(size=t.size) * (rng.uniform(size=t.size) < 0.03)
bursts = np.sin(2 * np.pi * 60 * t) * np.maximum(np.sin(2 * np.pi * 3 * t), 0.0) ** 6
signals = np.column_stack([spikes, bursts, rng.laplace(size=t.size)])
signals /= signals.std(axis=0)
recorded = signals @ np.array([[1.0, 0.6, 0.4], [0.8, 1.0, 0.5], [0.5, 0.7, 1.0]])
found = ScoreMatchingICA(random_state=0).fit_transform(recorded)
correlation = np.corrcoef(signals.T, found.T)[:3, 3:]
match = np.abs(correlation).argmax(axis=1)
found = found[:, match] * np.sign(correlation[np.arange(3), match])
print("correlation of sources and components:", np.abs(correlation).max(axis=1).round(3))

figure, panels = plt.subplots(3, 3, figsize=(10, 4.2), sharex=True, layout="constrained")
for column, (title, table) in enumerate({"sources": signals, "recorded": recorded, "unmixed": found}.items()):
    panels[0, column].set_title(title)
    panels[-1, column].set_xlabel("time")
    for row in range(3):
        panels[row, column].plot(t, table[:, row], color=["C0", "0.35", "C2"][column], linewidth=0.6)
        panels[row, column].spines[["top", "right"]].set_visible(False)
        panels[row, column].set_yticks([])
plt.show()
