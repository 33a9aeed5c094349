r"""
Denoising is score matching to the noisy rows
=============================================

Add noise to each row, :math:`\tilde x = x + \sigma z`, and regress :math:`-z/\sigma` on :math:`\tilde x`. The best
regression is the score of the noisy rows, :math:`\nabla \log p_\sigma` (Vincent, 2011). Here both sides are known
exactly, and can be compared.
"""

# %%
# A regression whose answer is the score
# --------------------------------------
# A mixture of two Gaussians in one column, noise σ = 0.5. The noisy density is again a mixture, with a known score.

import matplotlib.pyplot as plt
import numpy as np

from skscore.datasets import GaussianMixtureDistribution


def two_modes(variance, weight=0.3):
    return GaussianMixtureDistribution([weight, 1 - weight], [[-1.5], [1.5]], variance * np.ones((2, 1, 1)))


rng = np.random.default_rng(0)
n, sigma = 200_000, 0.5
clean, z = two_modes(0.16).sample(n, random_state=0), rng.standard_normal((n, 1))
noisy, target = clean + sigma * z, -z / sigma
score = two_modes(0.16 + sigma**2).grad_log_density

edges = np.linspace(-3.5, 3.5, 36)
cell = np.digitize(noisy[:, 0], edges)
centres = np.array([noisy[cell == k].mean() for k in range(1, len(edges))])
means = np.array([target[cell == k].mean() for k in range(1, len(edges))])
error = (means - score(centres[:, None])[:, 0]) * np.sqrt(np.bincount(cell)[1:-1]) * sigma
print(f"errors of the mean targets, at most as large as chance makes them: {error.std():.2f} standard errors")

# %%
# Two losses and their difference
# -------------------------------
# The *denoising* loss :math:`L = \tfrac12 E\|s(\tilde x) + z/\sigma\|^2` can be computed from rows. The *explicit*
# loss :math:`L' = \tfrac12 E\|s(\tilde x) - \nabla\log p_\sigma(\tilde x)\|^2` is the one to minimise.
# Candidates are scores of mixtures with the left mode at weight *w* instead of 0.3. The two losses differ by the same
# number for all of them.

weights, exact = np.linspace(0.02, 0.98, 25), score(noisy)
candidates = [two_modes(0.16 + sigma**2, w).grad_log_density(noisy) for w in weights]
denoising = np.array([0.5 * ((s - target) ** 2).mean() for s in candidates])
explicit = np.array([0.5 * ((s - exact) ** 2).mean() for s in candidates])
constant = 0.5 * (target**2 - exact**2).mean()
gap = denoising - explicit
print(f"L - L' from {gap.min():.4f} to {gap.max():.4f}; 1/2 E[z²/σ²] - 1/2 E[score²] = {constant:.4f}")

# %%
# The constant is :math:`\tfrac12 E\|z/\sigma\|^2 - \tfrac12 E\|\nabla\log p_\sigma\|^2`: the same for all candidates,
# so that both losses choose the same one, but not for all σ. A loss of 1.1 at one noise level says nothing about a loss
# at another: see :doc:`/user_guide/loss_is_not_score`.

line = np.linspace(-3.5, 3.5, 300)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.plot(noisy[:3000], target[:3000], ".", color="0.75", markersize=2.5, label="rows: $-z/\\sigma$")
left.plot(line, score(line[:, None]), color="C0", linewidth=2, label="score of the noisy rows")
left.plot(centres, means, "o", color="C1", markersize=4, label="mean target in a cell")
left.set(xlabel=r"noisy row $\tilde x$", ylabel="target", xlim=(-3.5, 3.5), ylim=(-6.5, 8.5))
right.plot(weights, denoising, color="C0", label="denoising loss $L$")
right.plot(weights, explicit, color="C1", label="explicit loss $L'$")
right.plot(weights, explicit + constant, ".", color="C1", label="$L'$ + constant")
right.axvline(0.3, color="0.6", linewidth=0.8, linestyle=":")
right.set(xlabel="weight of the left mode (true: 0.3)", ylabel="loss", xlim=(0, 1), ylim=(0, None))
left.legend(frameon=False, loc="upper left", ncols=2, fontsize="small", markerscale=1.5)
right.legend(frameon=False, loc="center", bbox_to_anchor=(0.45, 0.33))
for ax in figure.axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
