r"""Training rows of a network that learns all conditionals :math:`p(x_B \mid x_A, c)` of numbers at once.

Whenever a row is drawn its cells that hold a number are split into those asked for, B, those given, A, and the others.
Its white coordinates r are those of the conditional Gaussian of B given A, see ``models.mixed.conditional_gaussian``.
Cells asked for carry noise, :math:`y_j = (r_j + \sigma z_j)/\sqrt{1 + \sigma^2}`, and the network meets y, the bits of
B, those of A, r on A and one-hot c, with zeros wherever a cell is not of the set in question.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._torch import torch
from .noise_schedule import NoiseSchedule, noisy_batch

__all__ = ["ConditionalRows", "random_split", "what_is_known"]

JOINT = 0.7  # share of the draws of a row whose numbers are all asked for
RENEWED = 4096  # rows drawn from one spread over cells, at least


class ConditionalRows:
    """Rows whose cells are split anew each time that they are drawn: what ``noisy_rows`` asks for.

    Parameters
    ----------
    gaussian : ConditionalGaussian
    codes : ndarray of int64, shape (n, q)
    spread : callable
        From a source of randomness to numbers (n, p), spread anew over the cells of their lattice; NaN where missing.
    weight : ndarray of shape (n,) or None
    schedule : NoiseSchedule
    seed : int
    device : str
    """

    @torch.inference_mode(False)
    def __init__(
        self,
        gaussian: Any,
        codes: np.ndarray,
        spread: Callable,
        weight: np.ndarray | None,
        schedule: NoiseSchedule,
        seed: int,
        device: str,
    ):
        self.gaussian, self.codes, self.spread, self.schedule = gaussian, codes, spread, schedule
        self.rng = np.random.default_rng([seed, len(codes)])
        self.numbers, self.n_drawn = spread(self.rng), 0
        self.variance = torch.ones(self.numbers.shape[1], device=device)
        self.weight = None if weight is None else torch.tensor(weight / weight.mean(), dtype=torch.float32).to(device)

    def __len__(self):
        return len(self.codes)

    def clean(self, index):
        """White coordinates of rows at an index (k,) for a split of each, and what is known: (k, 4p + ΣK)."""
        if self.n_drawn >= max(RENEWED, len(self)):
            self.numbers, self.n_drawn = self.spread(self.rng), 0
        self.n_drawn += len(index)
        index = np.asarray(index)
        numbers, codes = self.numbers[index], self.codes[index]
        target, given = random_split(~np.isnan(numbers), self.rng)
        R, _ = self.gaussian.whiten(numbers, codes, target, given)
        known = what_is_known(R, self.gaussian.features(codes), target, given)
        return torch.from_numpy(np.hstack([R * target, known]).astype(np.float32)).to(self.variance.device)

    def noisy(self, clean, u, noise):
        """The same with noise on the cells asked for."""
        r, known = clean.tensor_split([noise.shape[1]], dim=1)
        bits, batch = known[:, : noise.shape[1]], noisy_batch(r, u, noise, self.schedule, self.variance)
        y = torch.cat([bits * batch.y, known], dim=1)
        return batch._replace(y=y, target=bits * batch.target, nats=bits * batch.nats)

    def state(self):
        """Where the source of randomness stands, and the numbers as they are spread now."""
        return {"rng": self.rng.bit_generator.state, "numbers": torch.tensor(self.numbers), "n_drawn": self.n_drawn}

    def restore(self, state):
        """Go back to a state."""
        self.rng.bit_generator.state = state["rng"]
        self.numbers, self.n_drawn = state["numbers"].numpy(), state["n_drawn"]


def what_is_known(R, features, target, given):
    """Inputs of the network beside y: the bits of B and of A, white coordinates on A, and one-hot levels."""
    return np.hstack([target, given, R * given, features[:, 1:]]).astype(np.float32)


def random_split(holds, rng, joint=JOINT):
    """Cells asked for and cells given of rows whose cells (n, p) hold a number or do not.

    All are asked for in a share `joint` of the rows. In others that hold m > 1 numbers, 1 to m − 1 of them are; a third
    of these rows has the rest given, a third leaves it out, and a third does either with each cell.
    """
    n, number = len(holds), holds.sum(axis=1, keepdims=True)
    rank = np.argsort(np.argsort(np.where(holds, rng.random(holds.shape), 1.0), axis=1), axis=1)
    asked = 1 + np.floor(rng.random((n, 1)) * (number - 1))
    target = holds & (rank < np.where(rng.random((n, 1)) < joint, number, asked))
    share_given = np.clip(3.0 * rng.random((n, 1)) - 1.0, 0.0, 1.0)
    return target, holds & ~target & (rng.random(holds.shape) < share_given)
