r"""
Choosing the smallest noise level
=================================

``sigma_min`` is the width by which a :class:`~skscore.DenoisingScoreEstimator` smooths its density. A search by the
log-likelihood finds a good value, and needs one training alone. A search by the training loss takes the largest value
of the grid.
"""

# %%
# Five candidates
# ---------------
# 600 rows of the two moons train small networks; three numbers of 500 fresh rows compare them. The loss is
# :math:`\tfrac12 E\|s + z/\sigma\|^2`, a mean over a geometric ladder of the candidate's own levels.

import matplotlib.pyplot as plt
import numpy as np

from skscore import DenoisingScoreEstimator, DenoisingScoreEstimatorCV
from skscore.datasets import Moons
from skscore.formulas.schedules import geometric_ladder
from skscore.neural import ScoreNetwork
from skscore.plotting import NoiseLevelDisplay

truth = Moons()
X, fresh = truth.sample(600, random_state=0), truth.sample(500, random_state=1)
candidates = np.array([0.01, 0.03, 0.1, 0.3, 0.8])
small = ScoreNetwork(hidden_layer_sizes=(32, 32), max_iter=300, n_folds=1, device="cpu")
fits = [DenoisingScoreEstimator(small, sigma_min=sigma, random_state=0).fit(X) for sigma in candidates]


def losses(density):
    """Held-out loss, plain and with weight σ²."""
    rng, scale = np.random.default_rng(0), X.std(axis=0)
    levels = geometric_ladder(*density.noise_levels_[[-1, 0]], 17)
    loss = []
    for sigma in levels:
        z = rng.standard_normal(fresh.shape)
        s = scale * density.grad_log_density(fresh + sigma * scale * z, sigma=sigma)
        loss.append(0.5 * ((s + z / sigma) ** 2).sum(axis=1).mean())
    return np.mean(loss), np.mean(levels**2 * loss)


raw, weighted = np.array([losses(density) for density in fits]).T
likelihood = np.array([density.score(fresh) for density in fits])
exact = truth.score_samples(fresh).mean()
print("sigma_min  log-likelihood  loss      loss with weight σ²")
for row in zip(candidates, likelihood, raw, weighted, strict=True):
    print("{:9.2f}  {:14.3f}  {:8.3f}  {:8.3f}".format(*row))
print(f"truth  {exact:14.3f}")

# %%
# The losses decrease with σ for any model. The log-likelihood increases as long as the noise smooths only what 600 rows
# cannot determine, and decreases when it blurs the moons.
#
# A score that was trained down to 0.01 is one at all levels above: :class:`~skscore.DenoisingScoreEstimatorCV` compares
# the candidates by rows held out, with one training for each of three folds.

path = DenoisingScoreEstimatorCV(small, sigma_mins=candidates, cv=3, random_state=0).fit(X)
print(f"by folds: sigma_min {path.sigma_min_}, log-likelihood of the fresh rows {path.score(fresh):.3f}")

# %%
# :class:`~skscore.plotting.NoiseLevelDisplay` shows the levels at which a density is better than a Gaussian: at large σ
# all densities are Gaussian, at small σ all are locally flat, and there is something to learn in between. The dashed
# line is what each candidate lost in the folds.

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
left.semilogx(candidates, exact - likelihood, "o-", color="C0")
left.plot(candidates[likelihood.argmax()], exact - likelihood.max(), "o", color="C3", markersize=9, label="picked")
left.set(title="log-likelihood lost", ylabel="nats", ylim=(0, None))
for values, name, colour in [(raw, "plain", "C1"), (weighted, "weight σ²", "C4")]:
    middle.loglog(candidates, values, "o-", color=colour, label=name)
    middle.plot(candidates[values.argmin()], values.min(), "o", color="C3", markersize=9)
middle.set(title="denoising loss")
for ax in (left, middle):
    ax.set_xlabel("sigma_min")
    ax.legend(frameon=False)
display = NoiseLevelDisplay.from_estimator(path, fresh, ax=right)
right.set(title=f"sigma_min = {path.sigma_min_}, level by level", ylim=(None, 0.5))
right.legend(frameon=False, loc="upper left", fontsize="small")
of_folds = display.path_line_.axes
of_folds.set_ylim(None, 1.2)
of_folds.spines["top"].set_visible(False)
for ax in (left, middle, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
