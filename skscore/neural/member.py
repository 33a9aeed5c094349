"""Networks of one stack that learn to denoise rows.

A step takes its noisy rows in fours that share a noise level: two rows of the table, each with the noise z and with −z.
Of such a pair the errors of odd order in z cancel, and labels are features of a quarter of the noisy rows.
"""

from __future__ import annotations

from ..formulas.schedules import loss_weight
from ._torch import torch
from .learner import Learner
from .process_group import ALONE

__all__ = ["Member", "mean_sum"]

PIECE = 4096  # rows of all networks together that pass at a time where no gradient is asked


class Member(Learner):
    """Networks of one stack that learn to denoise rows.

    Parameters
    ----------
    network : torch.nn.Module
        A stack of m networks.
    rows : NoisyRows, or what ``noisy_rows`` asks for
    kept : list of tensor of int64
        Indices of the rows that each of the m networks learns from.
    config : TrainingConfig
    generator : torch.Generator
    group : ProcessGroup
    """

    def __init__(self, network, rows, kept, config, generator, group=ALONE):
        super().__init__(network, kept, config, generator, group)
        self.forward = torch.compile(network) if config.compile else network
        self.rows, self.weight, self.variance = rows, rows.weight, rows.variance

    # ---- one step --------------------------------------------------------------------------------

    def _random(self, draw, *shape):
        return draw(*shape, generator=self.generator, device=self.variance.device, dtype=self.variance.dtype)

    def _next_batch(self):
        """The noisy rows of a step, those of one network after the other, and their weights.

        Every process of a group draws the step of all, and keeps its share.
        """
        m, fours = len(self.kept), self.group.size * -(-self.config.batch_size // 4)
        index, own = self.next_rows(2 * fours).flatten(), self.group.share(fours)
        z = self._random(torch.randn, m, fours, 2, len(self.variance))
        u = torch.arange(fours, device=z.device, dtype=z.dtype) + self._random(torch.rand, m, fours)
        u = (u / fours)[:, own].flatten().repeat_interleave(4)
        noise = torch.cat([z, -z], dim=2)[:, own].flatten(0, 2)

        def in_fours(rows):
            return _in_fours(rows.unflatten(0, (m, fours, 2))[:, own].flatten(0, 2))

        batch = self.rows.noisy(in_fours(self.rows.clean(index)), u, noise)
        return batch, None if self.weight is None else in_fours(self.weight[index])

    def losses(self):
        """Weighted squared error of the next noisy rows, and the nats that it loses to the reference Gaussian."""
        batch, weight = self._next_batch()
        m, device = len(self.kept), self.variance.device.type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self.config.autocast):
            output = self.forward(batch.y.unflatten(0, (m, -1)), batch.c_noise.view(m, -1, 4, 1)[:, :, 0])
        error = (output.float().flatten(0, 1) - batch.target) ** 2
        loss = m * mean_sum(loss_weight(self.config.weighting, batch.sigma, self.variance) * error, weight)
        nats = mean_sum(batch.nats * (error.detach() - batch.target**2), weight)
        return loss / self.group.size, nats / self.group.size

    # ---- state -----------------------------------------------------------------------------------

    def whole_state(self):
        """`state` with every source of randomness."""
        return {**super().whole_state(), "rows": self.rows.state()}

    def restore(self, state):
        """Go back to a state."""
        super().restore(state)
        if "rows" in state:
            self.rows.restore(state["rows"])

    # ---- validation ------------------------------------------------------------------------------

    def averaged(self, batches):
        """Outputs of the networks with averaged weights on batches of n rows, a tensor (m, n, d) of each."""
        with self.averaged_weights() as network:
            return [torch.cat([network(y, c) for y, c in self._pieces(batch)], dim=1) for batch in batches]

    def _pieces(self, batch):
        m = len(self.kept)
        for y, c in zip(batch.y.split(PIECE // m), batch.c_noise.split(PIECE // m), strict=True):
            yield y.expand(m, -1, -1), c.expand(m, -1, -1)


def _in_fours(rows):
    """Rows two by two, each pair twice: (2k, …) to (4k, …)."""
    return rows.unflatten(0, (-1, 2)).repeat(1, 2, *[1] * (rows.ndim - 1)).flatten(0, 1)


def mean_sum(values, weight):
    """Weighted mean over rows of the sum over columns."""
    rows = values.sum(dim=1)
    return rows.mean() if weight is None else (weight * rows).mean()
