r"""How far to trust a network: the best multiple κ(σ) of its output, seen from rows that it was not trained on.

The held-out gain over the reference Gaussian is a parabola in the factor of the output F. For the mean :math:`\bar F`
of all networks, with w the weights that make a mean over noise draws an integral in nats, a row that none of them has
seen gains

.. math:: g_i(\kappa) = 2 \kappa\, E[w \bar F t] - \kappa^2 E[w \bar F^2],

the excess of its evidence lower bound over the log-density of the Gaussian. Of folds, a row has a few networks
:math:`F_u` that have not seen it, and others :math:`F_s` that have. The former stand for all in the first term. In the
second they are too large, since errors cancel in a mean of more networks. The mean of the others is too small, since
networks err little on rows that they have seen: in a table of 160 rows it is half of what fresh rows show. But what
is left of a square in the mean, :math:`w \bar{F_s}^2 / w \overline{F_s^2}`, is nearly the same on both. So
:math:`w \bar F^2` is taken as :math:`w \overline{F_u^2}` times this quotient.

A few rows far from all others would decide for all, though the tail of the fitted density takes care of them. So what
is maximised is the likelihood of the mixture of the network's density with the Gaussian,
:math:`\log[(1-\varepsilon) e^{g_i} + \varepsilon]`, over κ and ε by the EM algorithm (Dempster, Laird & Rubin, 1977):
rows that the Gaussian explains better lose their vote. It begins with all votes, and with those that κ = 1 would leave,
because one far row among all can hold κ at zero. κ is linear between a few knots in log σ, each drawn towards the
value common to all. The gain of all rows that one factor has by chance, one half in the mean (Wilks, 1938), is none.

References
----------
Dempster, A. P., Laird, N. M., & Rubin, D. B. (1977). Maximum likelihood from incomplete data via the EM algorithm.
Journal of the Royal Statistical Society B, 39(1), 1-38.
Wilks, S. S. (1938). The large-sample distribution of the likelihood ratio for testing composite hypotheses. Annals of
Mathematical Statistics, 9(1), 60-62.
"""

from __future__ import annotations

import math
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from scipy.special import expit

__all__ = ["OutputScaling", "best_shrinkage"]

N_KNOTS = 6
PULL = 0.5  # weight of the common value, as a share of the mean weight of a knot
EM_STEPS = 10
TINY = 1e-30  # of a squared output
CHANCE = 0.5  # nats over all rows that one factor gains by chance: half the mean of chi square


class OutputScaling(NamedTuple):
    """Factors κ at knots of log σ, linear between them.

    Attributes
    ----------
    knots, factors : list of float
    """

    knots: list
    factors: list

    def __call__(self, sigma):
        """κ(σ)."""
        return float(np.interp(math.log(sigma), self.knots, self.factors))


NO_GAIN = OutputScaling([0.0], [0.0]), 0.0


def best_shrinkage(batches, outputs, unseeing, weights, share):
    """Best factors on held-out rows, and the loss that they reach in nats.

    Parameters
    ----------
    batches : list of Batch
        Held-out rows, the draws of a row one after the other.
    outputs : list of tensor of shape (m, n_rows * n_draws, d)
        Those of all networks on each batch.
    unseeing : list of list of int
        The networks that have not seen it.
    weights : list of tensor of shape (n_rows,) or None
        Of the rows.
    share : float
        ε, of the rows that the Gaussian may explain.

    Returns
    -------
    OutputScaling
    float
        Minus the mean log-likelihood of the mixture, relative to the Gaussian: at most 0.
    """
    parts = [_by_row(*part) for part in zip(batches, outputs, unseeing, weights, strict=True)]
    label, weight, linear, square = (np.concatenate(part) for part in zip(*parts, strict=True))
    if not (np.isfinite(linear).all() and np.isfinite(square).all()):
        return NO_GAIN  # the training has exploded
    knots = np.unique(np.quantile(label, np.linspace(0.0, 1.0, N_KNOTS)))
    hats = np.stack([np.interp(label, knots, row) for row in np.eye(len(knots))], axis=2)  # (rows, draws, knots)
    trusted = (2.0 * linear - square).mean(axis=1)  # gains at κ = 1, of which a far row may lose all
    votes = weight, weight * expit(_odds(share) + trusted)
    factors, value = min((_climb(hats, linear, square, weight, vote, share) for vote in votes), key=itemgetter(1))
    enough = -value * len(weight) > CHANCE
    return (OutputScaling(knots.tolist(), factors.tolist()), float(value)) if enough else NO_GAIN


def _odds(share):
    """log[(1 − ε)/ε]."""
    return math.log1p(-share) - math.log(share) if share > 0.0 else math.inf


def _climb(hats, linear, square, weight, vote, share):
    """κ at the knots by EM from the first votes of the rows, and the loss."""
    odds = _odds(share)
    for _ in range(EM_STEPS):
        factors = _factors(hats, linear, square, vote)
        kappa = hats @ factors
        gain = (2.0 * kappa * linear - kappa**2 * square).mean(axis=1)
        vote = weight * expit(odds + gain)
    mixed = math.log1p(-share) + np.logaddexp(gain, -odds)
    return factors, -np.average(mixed, weights=weight)


def _factors(hats, linear, square, vote):
    """κ at the knots, from the parabolas of rows with these votes."""
    a, b = (np.einsum("nrk,nr,n->k", hats, values, vote) for values in (linear, square))
    pull = PULL * b.mean()
    return np.clip(_ratio(a + pull * _ratio(a.sum(), b.sum()), b + pull), 0.0, 1.0)


def _by_row(batch, output, unseeing, weight):
    """Log σ, weight, and the two terms of the parabola, one row of the table to a row and one draw to a column."""
    log_sigma = 4.0 * batch.c_noise[:, 0]
    linear = (batch.nats * output[unseeing].mean(0) * batch.target).sum(dim=1)
    seeing = [k for k in range(len(output)) if k not in unseeing] or unseeing
    squares, of_mean = (batch.nats * output**2).sum(dim=2), (batch.nats * output[seeing].mean(0) ** 2).sum(dim=1)
    square = squares[unseeing].mean(0) * of_mean / squares[seeing].mean(0).clamp_min(TINY)
    columns = [values.cpu().double().numpy().reshape(-1, batch.repeats) for values in (log_sigma, linear, square)]
    each = np.ones(len(columns[0])) if weight is None else weight.cpu().double().numpy()
    return columns[0], each, columns[1], columns[2]


def _ratio(a, b):
    return np.divide(a, b, out=np.zeros_like(b), where=b > 0.0)
