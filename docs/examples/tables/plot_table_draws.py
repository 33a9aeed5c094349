r"""
Penguins drawn, and given a species
===================================

A table of penguins has names beside sizes, and cells that nobody filled in. :class:`~skscore.TabularDensity` fits one
density to all of it. Here new penguins are drawn from it, and an unknown penguin is given a species. The guide is in
:doc:`/user_guide/tables`.
"""

# %%
# A table of penguins
# -------------------
# Sizes are made up after the means and standard deviations of the Palmer penguins (Horst, Hill & Gorman, 2020), so that
# the example needs no file. Gentoo penguins live on Biscoe only, Chinstrap penguins on Dream only. The sex of one
# penguin in twelve was not determined, and some bills were not measured.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skscore import TabularDensity

SPECIES = ["Adelie", "Chinstrap", "Gentoo"]
MEANS = np.array([[38.8, 190.0, 3.70], [48.8, 196.0, 3.73], [47.5, 217.0, 5.08]])  # of bill, flipper and mass
SCALES = np.array([2.2, 5.5, 0.30])
FACTOR = np.linalg.cholesky(np.array([[1.0, 0.3, 0.4], [0.3, 1.0, 0.5], [0.4, 0.5, 1.0]]))


def penguins(n, rng):
    which = rng.choice(3, n, p=[0.44, 0.20, 0.36])
    male = rng.random(n) < 0.5
    sizes = MEANS[which] + SCALES * (np.where(male, 0.6, -0.6)[:, None] + rng.standard_normal((n, 3)) @ FACTOR.T)
    islands = np.column_stack([rng.choice(["Biscoe", "Dream", "Torgersen"], n), ["Dream"] * n, ["Biscoe"] * n])
    return pd.DataFrame(
        {
            "species": np.array(SPECIES)[which],
            "island": islands[np.arange(n), which],
            "sex": np.where(rng.random(n) < 1 / 12, None, np.where(male, "male", "female")),
            "bill_mm": np.where(rng.random(n) < 0.05, np.nan, sizes[:, 0].round(1)),
            "flipper_mm": sizes[:, 1].round().astype(int),
            "mass_kg": (40 * sizes[:, 2]).round() / 40,  # the scales show 25 g
        }
    )


table = penguins(344, np.random.default_rng(0))
density = TabularDensity(numeric="gaussian", discrete="tree", random_state=0).fit(table)
print(density.schema_)

# %%
# Draws
# -----
# Draws have the types and the steps of the table, and miss cells as often as it does. No Gentoo penguin of the
# table lives on another island than Biscoe, and hardly one of the draws does.

draws = density.sample(5000, random_state=0)
print(draws.head(4))
for name, frame in {"rows": table, "draws": draws}.items():
    elsewhere = (frame["species"] == "Gentoo") & (frame["island"] != "Biscoe")
    print(
        f"{name:5s} without sex {frame['sex'].isna().mean():.3f}, without bill {frame['bill_mm'].isna().mean():.3f}, "
        f"Gentoo elsewhere {elsewhere.mean():.4f}"
    )

# %%
# A species for a penguin
# -----------------------
# One cell after the other becomes known. ``predict_proba`` takes a frame with the cells that there are.

cells = {"bill_mm": 46.0, "flipper_mm": 200, "island": "Dream", "sex": "female"}
known = [pd.DataFrame({name: [cells[name]] for name in list(cells)[:k]}) for k in range(1, 5)]
chances = np.concatenate([density.predict_proba(frame, "species") for frame in known])
print(pd.DataFrame(chances.round(3), columns=SPECIES, index=["bill", "+ flipper", "+ island", "+ sex"]))

figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained", gridspec_kw={"width_ratios": [1, 1, 1.15]})
for ax, (title, frame) in zip(axes, {"344 rows": table, "344 draws": draws.head(344)}.items(), strict=False):
    for color, name in zip(("C0", "C1", "C2"), SPECIES, strict=True):
        some = frame[frame["species"] == name]
        ax.plot(some["bill_mm"], some["flipper_mm"], "o", color=color, ms=4, alpha=0.7, mew=0, label=name)
    ax.set(title=title, xlabel="bill length (mm)", xlim=(29, 60), ylim=(168, 238))
axes[0].set_ylabel("flipper length (mm)")
axes[0].legend(frameon=False, loc="upper left")
axes[1].set_yticklabels([])

labels = ["bill 46 mm", "+ flipper 200 mm", "+ island Dream", "+ female"]
left = np.zeros(len(labels))
for color, chance in zip(("C0", "C1", "C2"), chances.T, strict=True):
    axes[2].barh(labels, chance, left=left, color=color, height=0.6)
    for y, (start, width) in enumerate(zip(left, chance, strict=True)):
        if width > 0.1:
            axes[2].text(start + width / 2, y, f"{width:.2f}", ha="center", va="center", color="white")
    left += chance
axes[2].invert_yaxis()
axes[2].set(title="which species is it?", xlabel="probability", xlim=(0, 1))
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# References
# ----------
# A. M. Horst, A. P. Hill & K. B. Gorman (2020). palmerpenguins: Palmer Archipelago (Antarctica) penguin data. R
# package.
