r"""A fitted density mixed with others that are known in closed form, as far as rows held out ask for them.

.. math:: p(x) = \sum_k w_k\, p_k(x),\qquad w_k \ge 0,\quad \sum_k w_k = 1

is a proper density, and never below :math:`w_k p_k`. With the share :math:`r_k(x) = w_k\, p_k(x)/p(x)` of each part,
its score :math:`s_k` and its second derivatives :math:`H_k`,

.. math::

   \nabla\log p = \bar s = \sum_k r_k s_k,\qquad
   v^\top\nabla^2\log p\,v = \sum_k r_k\bigl[v^\top H_k v + ((s_k - \bar s)^\top v)^2\bigr].

The weights are those of largest likelihood on rows that no part has seen: the stacked density estimate of Smyth &
Wolpert (1999). The likelihood is concave in them, so that expectation and maximisation (Dempster, Laird & Rubin, 1977,
section 4.3) finds the best. A part stays if it gains more than weights fitted to chance would, and enough to be worth
its cost; one that insures against rows that are yet to come, as in the defensive mixture of Hesterberg (1995), has a
least weight besides.

References
----------
Dempster, A. P., Laird, N. M., & Rubin, D. B. (1977). Maximum likelihood from incomplete data via the EM algorithm.
Journal of the Royal Statistical Society B, 39(1), 1-38.
Hesterberg, T. (1995). Weighted average importance sampling and defensive mixture distributions. Technometrics, 37(2),
185-194.
Smyth, P., & Wolpert, D. (1999). Linearly combining density estimators via stacking. Machine Learning, 36, 59-83.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp, softmax
from scipy.stats import chi2

__all__ = ["FIRST", "Offer", "StackedMixture", "choose_mixture", "choose_weights", "largest_likelihood"]

FIRST = "model"  # name of the part that the others are mixed into
LEAST = 0.01  # its weight
CONFIDENCE = 0.95  # that what a part gains is no chance
WORTH = 0.02  # nats per row, without which another part is not worth its cost
MAX_ROUNDS, STALLED = 2000, 1e-7  # of EM, and the gain in nats per row at which it ends
FLOOR = -1e6  # nats, below which log-densities of rows held out are all the same
LOWEST = -1e300  # stands for the logarithm of zero where all parts have it
NEGLIGIBLE = np.finfo(np.float64).eps  # share of a part that does not count: its score may be infinite there, or NaN


@dataclass(frozen=True, eq=False)
class StackedMixture:
    """The density Σ_k w_k p_k, from what is known of p_0 at the rows. A part that is NaN somewhere is zero there.

    Parameters
    ----------
    weights : ndarray of shape (K + 1,)
        w, which sum to one; the first is that of p_0.
    parts : dict of str to object
        The K others, each with ``log_density(X)``, ``score(X)``, ``curvature(X, V)`` and ``sample(n, rng)``.

    Examples
    --------
    A density that gives -497 nats to a row that it never saw:

    >>> import numpy as np
    >>> from skscore.levels.mixture import StackedMixture
    >>> from skscore.models.base import StudentT
    >>> mixture = StackedMixture(np.array([0.997, 0.003]), {"tail": StudentT(df=2.5, variance=np.ones(2))})
    >>> mixture.log_density(np.array([-1.84, -497.0]), np.array([[0.0, 0.0], [20.0, 24.0]])).round(2)
    array([ -1.84, -21.08])
    """

    weights: np.ndarray
    parts: dict[str, Any]

    @property
    def weight_of(self):
        """Weight of each part, by its name."""
        return dict(zip([FIRST, *self.parts], self.weights.tolist(), strict=True))

    def _terms(self, log_p, X):
        """Logarithms of w_k p_k, shape (n, K + 1)."""
        columns = np.column_stack([log_p, *(part.log_density(X) for part in self.parts.values())])
        return np.log(self.weights) + np.fmax(columns, -np.inf)

    def log_density(self, log_p, X):
        """Log-density of the mixture, shape (n,).

        Parameters
        ----------
        log_p : ndarray of shape (n,)
            Log-density p_0.
        X : ndarray of shape (n, d)
            The rows.
        """
        return logsumexp(self._terms(log_p, X), axis=1)

    def shares(self, log_p, X):
        """Probability r_k that a row came from each part, shape (n, K + 1); parameters as in `log_density`."""
        r = softmax(np.maximum(self._terms(log_p, X), LOWEST), axis=1)
        return np.where(r < NEGLIGIBLE, 0.0, r)

    def score(self, log_p, score, X):
        """Score of the mixture, shape (n, d), from the `score` of p_0."""
        r = self.shares(log_p, X)
        return _mean(r, _present(r, [score, *(part.score(X) for part in self.parts.values())]))

    def curvature(self, log_p, score, curvature, X, V):
        """vᵀ ∇² log p v of the mixture, shape (n,), from `score` and `curvature` of p_0 along `V`."""
        r, parts = self.shares(log_p, X), self.parts.values()
        scores = _present(r, [score, *(part.score(X) for part in parts)])
        bent = _present(r, [curvature, *(part.curvature(X, V) for part in parts)])
        along = [(s * V).sum(axis=1) for s in scores]
        mean = _mean(r, along)
        return _mean(r, [b + (a - mean) ** 2 for a, b in zip(along, bent, strict=True)])

    def mix_samples(self, X, rng):
        """Draws of the mixture, shape (n, d): rows of `X`, drawn from p_0, give way as often as the weights say."""
        mixed, k = X.copy(), rng.choice(len(self.weights), len(X), p=self.weights)
        for number, part in enumerate(self.parts.values(), 1):
            mixed[k == number] = part.sample(np.sum(k == number), rng)
        return mixed


def _mean(r, values):
    """Σ_k r_k v_k of arrays v_k of shape (n, …)."""
    return sum(_beside(share, v) * v for share, v in zip(r.T, values, strict=True))


def _present(r, values):
    """Arrays v_k of shape (n, …), each with zeros in the rows in which its part has no share."""
    return [np.where(_beside(share, v) == 0.0, 0.0, v) for share, v in zip(r.T, values, strict=True)]


def _beside(share, v):
    """Numbers of rows, shape (n,), in the shape of v (n, …)."""
    return share.reshape(-1, *(1,) * (v.ndim - 1))


# ---- the weights ---------------------------------------------------------------------------------


class Offer(NamedTuple):
    """Densities f_j that may be mixed in, the weights of which make one part.

    Parameters
    ----------
    log_p : ndarray of shape (k, J)
        Log-densities of rows that none of them has seen.
    part : callable
        From weights (J,) that sum to one to the part Σ_j π_j f_j.
    worth : float
        Nats per row that it has to gain to stay.
    least : float
        Weight that it has in any case.
    """

    log_p: np.ndarray
    part: Callable[[np.ndarray], Any]
    worth: float = WORTH
    least: float = 0.0


def choose_mixture(log_p, offers, weight=None):
    """The mixture that rows held out ask for; as `choose_weights` weighs its parts.

    Parameters
    ----------
    log_p, offers, weight
        As there.

    Returns
    -------
    StackedMixture or None
        None if no part stays.

    Examples
    --------
    Rows of N(0, 1), under a density that is too wide:

    >>> import numpy as np
    >>> from scipy.stats import norm
    >>> from skscore.levels.gaussians import Gaussians
    >>> from skscore.levels.mixture import Offer, choose_mixture
    >>> x = norm.ppf((np.arange(100) + 0.5) / 100)
    >>> right = Gaussians(np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1)))
    >>> offers = {"gaussians": Offer(right.log_density(x[:, None])[:, None], lambda weights: right)}
    >>> choose_mixture(norm.logpdf(x, scale=3.0), offers).weights.round(2)
    array([0.01, 0.99])
    >>> print(choose_mixture(norm.logpdf(x), offers))
    None
    """
    (of_model, *of_offers), _ = choose_weights(log_p, offers, weight)
    kept = {name: of_part for name, of_part in zip(offers, of_offers, strict=True) if of_part.any()}
    parts = {name: offers[name].part(of_part / of_part.sum()) for name, of_part in kept.items()}
    return StackedMixture(np.array([of_model.sum(), *(w.sum() for w in kept.values())]), parts) if parts else None


def choose_weights(log_p, offers, weight=None):
    """The weights that rows held out ask for; each offer is judged on top of those before it.

    Parameters
    ----------
    log_p : ndarray of shape (k,)
        Log-density p_0 of the rows, in nats; −inf and NaN are values.
    offers : dict of str to Offer
    weight : ndarray of shape (k,), optional
        Of the rows: how many they stand for.

    Returns
    -------
    weights : list of K + 1 ndarrays
        Those of p_0, an array of one, and of the densities of each offer, zeros if it does not stay.
    log_mixed : ndarray of shape (k,)
        Log-density of the rows by these weights.
    """
    weight = np.ones(len(log_p)) if weight is None else weight
    sizes = [1, *(offer.log_p.shape[1] for offer in offers.values())]
    owner = np.repeat(np.arange(len(sizes)), sizes)
    least = np.repeat([LEAST, *(offer.least for offer in offers.values())], sizes) / np.repeat(sizes, sizes)
    columns = np.column_stack([log_p, *(offer.log_p for offer in offers.values())])
    free = owner == 0
    weights, best = largest_likelihood(columns, weight, least, free)
    for k, offer in enumerate(offers.values(), 1):
        with_offer = free | (owner == k)
        others, value = largest_likelihood(columns, weight, least, with_offer)
        chance = 0.5 * chi2.ppf(CONFIDENCE, sizes[k]) / weight.sum()
        if value - best >= max(offer.worth, chance):
            free, weights, best = with_offer, others, value
    present = weights > 0.0
    log_mixed = logsumexp(np.log(weights[present]) + np.fmax(columns[:, present], -np.inf), axis=1)
    return [weights[owner == k] for k in range(len(sizes))], log_mixed


def largest_likelihood(log_p, weight, least, free):
    """Weights w of the columns of `log_p` (k, J) with the largest likelihood, and its logarithm per row.

    Parameters
    ----------
    log_p : ndarray of shape (k, J)
        Below −10⁶, where −inf and NaN are, all values are the same.
    weight : ndarray of shape (k,)
        Of the rows.
    least : ndarray of shape (J,)
        No weight is below it.
    free : ndarray of bool, shape (J,)
        Which may be larger.

    Returns
    -------
    weights : ndarray of shape (J,)
        They sum to one.
    value : float

    Examples
    --------
    Three rows of four are likelier by far under the first of two densities:

    >>> import numpy as np
    >>> from skscore.levels.mixture import largest_likelihood
    >>> log_p = np.log([[1.0, 1e-9], [1.0, 1e-9], [1.0, 1e-9], [1e-9, 1.0]])
    >>> largest_likelihood(log_p, np.ones(4), np.zeros(2), np.ones(2, dtype=bool))[0].round(2)
    array([0.75, 0.25])
    """
    in_play, weights = free | (least > 0.0), np.zeros(len(least))
    log_p, least = np.fmax(log_p[:, in_play], FLOOR), least[in_play]
    top, share = log_p.max(axis=1), weight / weight.sum()
    p, rest, last = np.exp(log_p - top[:, None]), 1.0 - least.sum(), -np.inf
    v = free[in_play] / free.sum()
    for _ in range(MAX_ROUNDS):
        mixed = p @ (least + rest * v)
        value = share @ np.log(mixed)
        responsible = v * ((share / mixed) @ p)
        if value - last < STALLED or not responsible.any():
            break
        v, last = responsible / responsible.sum(), value
    weights[in_play] = least + rest * v
    return weights, value + share @ top
