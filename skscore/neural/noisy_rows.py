"""Where the noisy rows of a training come from: rows as they are, and the noise that a step or a validation adds.

What makes them differs from model to model, what is done with them does not. So a training knows only an object with

- ``variance``, a tensor (d,) on the device: λ, of the columns that carry noise,
- ``weight``, a tensor (n,) or None: of its ``len`` rows,
- ``clean(index)``, a tensor (k, …): those rows without noise,
- ``noisy(clean, u, noise)``, a `Batch`: these with standard normal noise (k, d) at quantiles u (k,) of the levels,
- ``state()`` and ``restore(state)``: what the next rows depend on, if they have chance of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ._torch import torch
from .noise_schedule import Batch, NoiseSchedule, noisy_batch

__all__ = ["NoisyRows", "TakenRows", "validation_batch"]


class NoisyRows(NamedTuple):
    """Rows all of whose columns carry noise.

    Attributes
    ----------
    rows : tensor of shape (n, d)
    weight : tensor of shape (n,) or None
    variance : tensor of shape (d,)
    schedule : NoiseSchedule
    """

    rows: torch.Tensor
    weight: torch.Tensor | None
    variance: torch.Tensor
    schedule: NoiseSchedule

    @classmethod
    @torch.inference_mode(False)
    def on(cls, device, rows, weight, variance, schedule):
        """From arrays; weights of mean one."""
        return cls(_tensor(rows, device), _of_mean_one(weight, device), _tensor(variance, device), schedule)

    def __len__(self):
        return len(self.rows)

    def clean(self, index):
        """Rows at an index (k,), shape (k, d)."""
        return self.rows[index]

    def noisy(self, clean, u, noise):
        """The same with noise."""
        return noisy_batch(clean, u, noise, self.schedule, self.variance)

    def state(self):
        """Nothing: the rows stay as they are."""
        return {}

    def restore(self, state):
        """Nothing to go back to."""


class TakenRows:
    """Rows that stay where they lie, and are taken from there whenever they are drawn.

    Parameters
    ----------
    device : str
    take : callable
        From indices (k,) and a source of randomness, for what is drawn with the rows, to rows (k, d).
    n : int
        Number of rows.
    weight : ndarray of shape (n,) or None
    variance : ndarray of shape (d,)
    schedule : NoiseSchedule
    seed : int
    """

    @torch.inference_mode(False)
    def __init__(
        self,
        device: str,
        take: Callable,
        n: int,
        weight: np.ndarray | None,
        variance: np.ndarray,
        schedule: NoiseSchedule,
        seed: int,
    ):
        self.device, self.take, self.n, self.schedule = device, take, n, schedule
        self.weight, self.variance = _of_mean_one(weight, device), _tensor(variance, device)
        self.rng = np.random.default_rng([seed, n])

    def __len__(self):
        return self.n

    def clean(self, index):
        """Rows at an index (k,), shape (k, d)."""
        return _tensor(self.take(torch.as_tensor(index).cpu().numpy(), self.rng), self.device)

    def noisy(self, clean, u, noise):
        """The same with noise."""
        return noisy_batch(clean, u, noise, self.schedule, self.variance)

    def state(self):
        """Where the source of randomness stands."""
        return {"rng": self.rng.bit_generator.state}

    def restore(self, state):
        """Go back to a state."""
        self.rng.bit_generator.state = state["rng"]


def _tensor(array, device):
    return torch.tensor(array, dtype=torch.float32, device=device)


def _of_mean_one(weight, device):
    return None if weight is None else _tensor(weight / weight.mean(), device)


def validation_batch(rows, index, repeats, generator) -> Batch:
    """`repeats` noisy copies of each of some of the `rows`, their noise fixed and their levels stratified."""
    random = {"generator": generator, "device": rows.variance.device, "dtype": rows.variance.dtype}
    many = rows.clean(index).repeat_interleave(repeats, dim=0)
    shifts = torch.arange(repeats, device=random["device"], dtype=random["dtype"]) / repeats
    u = (torch.rand(len(index), 1, **random) + shifts) % 1.0
    noise = torch.randn(len(many), len(rows.variance), **random)
    return rows.noisy(many, u.flatten(), noise)._replace(repeats=repeats)
