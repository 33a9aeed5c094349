"""The picture of the first page: a density of two columns with its most unusual rows, and new rows of three columns."""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

from skscore import ScoreMatchingDensity, TabularDensity, TransformedDensity

COLUMNS = ["alcohol", "color_intensity"]
wines = load_wine(as_frame=True).frame[[*COLUMNS, "target"]].astype({"target": "category"})
X = wines[COLUMNS].to_numpy()

density = TransformedDensity(ScoreMatchingDensity("polynomial", alpha=0.1, random_state=0), StandardScaler()).fit(X)
horizontal, vertical = np.linspace(10.7, 15.2, 200), np.linspace(0.0, 15.0, 200)
grid = np.stack(np.meshgrid(horizontal, vertical), axis=-1).reshape(-1, 2)
height = np.exp(density.score_samples(grid)).reshape(200, 200)
unusual = X[density.score_samples(X).argsort()[:6]]

draws = TabularDensity(numeric="gaussian", discrete="tree", random_state=0).fit(wines).sample(178, random_state=0)

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(10, 3.6), sharex=True, sharey=True, layout="constrained")
left.pcolormesh(horizontal, vertical, height, cmap="Blues", rasterized=True)
left.plot(*X.T, "o", ms=3, color="0.25", mew=0)
left.plot(*unusual.T, "o", ms=11, mfc="none", mec="C3", mew=1.5)
left.set(title="density, and six unusual wines", ylabel="colour intensity", xlim=(10.7, 15.2), ylim=(0.0, 15.0))
for ax, (title, table) in zip((middle, right), {"178 wines": wines, "178 new ones": draws}.items(), strict=True):
    for cultivar in range(3):
        some = table[table["target"] == cultivar]
        ax.plot(some["alcohol"], some["color_intensity"], "o", ms=4, mew=0, alpha=0.8, label=f"cultivar {cultivar}")
    ax.set(title=title)
for ax in (left, middle, right):
    ax.set_xlabel("alcohol, % by volume")
right.legend(frameon=False, loc="upper left")
plt.show()
