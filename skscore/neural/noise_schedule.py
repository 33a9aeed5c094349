r"""The noise levels of a training, on its device: a quantile function of log σ, tabulated once.

Uniforms u come in; :math:`\log\sigma(u)` is linear between the entries of a table, or for a ladder the entry that u
falls on. Its slope :math:`d\log\sigma/du` turns a mean over u into an integral over log σ, and so any loss into nats:
the evidence lower bound exceeds that of the reference Gaussian by

.. math:: \int \sum_j \frac{\lambda_j}{r_j^2}\, E\bigl[t_j^2 - (F_j - t_j)^2\bigr]\, d\log\sigma

(Kingma, Salimans, Poole & Ho, 2021, eq. 18, with t and F as in ``formulas.schedules``).

References
----------
Kingma, D. P., Salimans, T., Poole, B., & Ho, J. (2021). Variational diffusion models. NeurIPS.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..formulas.schedules import Preconditioning, log_normal, log_uniform
from ._torch import torch

__all__ = ["Batch", "NoiseSchedule", "noise_schedule", "noisy_batch"]

QUANTILES = 1025  # entries of the table of a continuous distribution of noise levels
LOG_MEAN, LOG_SD = -1.5, 1.6  # of the lognormal distribution


class NoiseSchedule(NamedTuple):
    """Quantile function of log σ.

    Attributes
    ----------
    table : tensor of shape (K,)
        Increasing values of log σ: at u = 0, 1/(K−1), …, 1, or the levels of a ladder.
    slope : tensor of shape (K − 1,) or (K,)
        d log σ/du between them; for a ladder K times the width that each level stands for.
    """

    table: torch.Tensor
    slope: torch.Tensor

    @classmethod
    def continuous(cls, quantiles, device):
        """From σ at equally spaced u, increasing."""
        table = torch.as_tensor(np.log(quantiles), dtype=torch.float32, device=device)
        return cls(table, table.diff() * (len(table) - 1))

    @classmethod
    def ladder(cls, levels, device):
        """From discrete levels; one alone stands for a unit of log σ."""
        table = np.log(np.sort(levels))
        width = np.gradient(table) if len(table) > 1 else np.ones(1)
        tensors = (torch.as_tensor(v, dtype=torch.float32, device=device) for v in (table, width * len(table)))
        return cls(*tensors)

    def __call__(self, u):
        """Log σ at uniforms u of shape (n,), and its slope."""
        cells = len(self.slope)
        place = u * cells
        cell = place.long().clamp(max=cells - 1)
        if cells == len(self.table):
            return self.table[cell], self.slope[cell]
        return self.table[cell] + (place - cell) * self.slope[cell] / cells, self.slope[cell]


def noise_schedule(sigma_min, sigma_max, levels=None, distribution="lognormal", device="cpu"):
    """The noise levels of a training on a device.

    Parameters
    ----------
    sigma_min, sigma_max : float
    levels : ndarray or None
        The levels, if they are discrete; None for all between the two.
    distribution : {"lognormal", "loguniform"}
        Of the levels drawn between the two.
    device : str

    Returns
    -------
    NoiseSchedule
    """
    if levels is not None:
        return NoiseSchedule.ladder(levels, device)
    u, ends = np.linspace(0.0, 1.0, QUANTILES), (sigma_min, sigma_max)
    sigma = log_uniform(u, *ends) if distribution == "loguniform" else log_normal(u, LOG_MEAN, LOG_SD, *ends)
    return NoiseSchedule.continuous(sigma, device)


class Batch(NamedTuple):
    """Noisy rows as a network meets them."""

    y: torch.Tensor  # noisy rows over their scale, (n, d)
    c_noise: torch.Tensor  # ¼ log σ, (n, 1)
    target: torch.Tensor  # t, (n, d)
    sigma: torch.Tensor  # (n, 1)
    nats: torch.Tensor  # weight that makes the squared error an integral in nats, (n, d)
    repeats: int = 1  # noisy copies of each row, one after the other


def noisy_batch(rows, u, noise, schedule, variance):
    """Batch of `rows` (n, d) with standard normal `noise` (n, d) at the quantiles u (n,) of the noise schedule."""
    log_sigma, slope = (v[:, None] for v in schedule(u))
    sigma = log_sigma.exp()
    level, noisy = Preconditioning(sigma, variance), rows + sigma * noise
    return Batch(noisy / level.r, 0.25 * log_sigma, level.target(rows, noisy), sigma, level.skip * slope)
