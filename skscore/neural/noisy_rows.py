"""Where the noisy rows of a training come from: rows as they are, and the noise that a step or a validation adds.

What makes them differs from model to model, what is done with them does not. So a training knows only an object with

- ``variance``, a tensor (d,) on the device: λ, of the columns that carry noise,
- ``weight``, a tensor (n,) or None: of its ``len`` rows,
- ``clean(index)``, a tensor (k, …): those rows without noise,
- ``noisy(clean, u, noise)``, a `Batch`: these with standard normal noise (k, d) at quantiles u (k,) of the levels,
- ``state()`` and ``restore(state)``: what the next rows depend on, if they have chance of their own.
"""

from __future__ import annotations

from typing import NamedTuple

from ._torch import torch
from .noise_schedule import Batch, NoiseSchedule, noisy_batch

__all__ = ["NoisyRows", "validation_batch"]


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

        def tensor(array):
            return torch.tensor(array, dtype=torch.float32, device=device)

        return cls(tensor(rows), None if weight is None else tensor(weight / weight.mean()), tensor(variance), schedule)

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


def validation_batch(rows, index, repeats, generator) -> Batch:
    """`repeats` noisy copies of each of some of the `rows`, their noise fixed and their levels stratified."""
    random = {"generator": generator, "device": rows.variance.device, "dtype": rows.variance.dtype}
    many = rows.clean(index).repeat_interleave(repeats, dim=0)
    shifts = torch.arange(repeats, device=random["device"], dtype=random["dtype"]) / repeats
    u = (torch.rand(len(index), 1, **random) + shifts) % 1.0
    noise = torch.randn(len(many), len(rows.variance), **random)
    return rows.noisy(many, u.flatten(), noise)._replace(repeats=repeats)
