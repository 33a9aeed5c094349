r"""How far to trust a network: the best multiple κ(σ) of its output, seen from rows that it was not trained on.

The held-out loss is a parabola in the factor of the output F. For the mean :math:`\bar F` of K networks, of which
network k has not seen the row, with w the weights that make the loss an integral in nats,

.. math:: J(\kappa) = E[w(\kappa \bar F - t)^2] - E[w t^2] \approx \kappa^2 E[w \bar F^2] - 2\kappa E[w F_k t],

whose minimum is :math:`E[w F_k t] / E[w \bar F^2]`. Where rows are few, networks are far too sure of themselves: κ is
then near 0.2, and several networks that are shrunk together are worth a nat where each alone would lose one. It is
found at each of a few knots in log σ and drawn towards the value common to all.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

__all__ = ["Shrinkage", "best_shrinkage"]

N_KNOTS = 6
PULL = 0.5  # weight of the common value, as a share of the mean weight of a knot


class Shrinkage(NamedTuple):
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


def best_shrinkage(batches, own, together, weights):
    """Best factors on held-out rows, and the loss that they reach in nats.

    Parameters
    ----------
    batches : list of Batch
        Held-out rows of each network.
    own, together : list of tensor of shape (n, d)
        On each batch, the output of the network that has not seen it, and the mean output of all.
    weights : list of tensor of shape (n,) or None
        Of the rows, with mean 1.

    Returns
    -------
    Shrinkage, float
    """
    label = torch.cat([batch.c_noise[:, 0] for batch in batches]).mul(4.0).double().cpu().numpy()
    linear = np.concatenate([_rows(b.nats * F * b.target, w) for b, F, w in zip(batches, own, weights, strict=True)])
    square = np.concatenate([_rows(b.nats * F * F, w) for b, F, w in zip(batches, together, weights, strict=True)])
    knots = np.unique(np.quantile(label, np.linspace(0.0, 1.0, N_KNOTS)))
    hats = np.stack([np.interp(label, knots, row) for row in np.eye(len(knots))])  # share of each knot in each row
    a, b = hats @ linear, hats @ square
    common = _ratio(a.sum(), b.sum())
    pull = PULL * b.mean()
    factors = np.clip(_ratio(a + pull * common, b + pull), 0.0, 1.0)
    kappa = factors @ hats
    value = float((kappa**2 * square - 2.0 * kappa * linear).mean())
    return Shrinkage(knots.tolist(), factors.tolist()), value


def _rows(values, weight):
    rows = values.sum(dim=1)
    return (rows if weight is None else weight * rows).double().cpu().numpy()


def _ratio(a, b):
    return np.divide(a, b, out=np.zeros_like(b), where=b > 0.0)
