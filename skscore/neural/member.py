"""Networks that are trained as one, with their optimiser, their averaged weights and their rows.

A step takes its noisy rows in fours that share a noise level: two rows of the table, each with the noise z and with −z.
Of such a pair the errors of odd order in z cancel, and labels are features of a quarter of the noisy rows.
"""

from __future__ import annotations

from ..formulas.schedules import loss_weight
from ._torch import torch
from .adamw import AdamW
from .noise_schedule import noisy_batch
from .stacks import parameters_as_matrix

__all__ = ["Member", "mean_sum"]

PIECE = 4096  # rows of all networks together that pass at a time where no gradient is asked


class Member:
    """Networks of one stack with their optimiser, their averaged weights and their rows.

    Parameters
    ----------
    network : torch.nn.Module
        A stack of m networks.
    rows : tensor of shape (n, d)
    weight : tensor of shape (n,) or None
        Weights of the rows.
    kept : list of tensor of int64
        Indices of the rows that each of the m networks learns from.
    schedule : NoiseSchedule
    variance : tensor of shape (d,)
    config : TrainingConfig
    generator : torch.Generator
    """

    def __init__(self, network, rows, weight, kept, schedule, variance, config, generator):
        self.network, self.schedule, self.variance, self.config = network.train(), schedule, variance, config
        self.forward = torch.compile(network) if config.compile else network
        self.rows, self.weight, self.kept = rows, weight, kept
        self.generator = generator
        self.weights = AdamW(parameters_as_matrix(network), config.weight_decay, config.clip)
        self.orders = [torch.empty(0, dtype=torch.int64, device=rows.device) for _ in kept]
        self.gain = torch.zeros((), device=rows.device)

    # ---- one step --------------------------------------------------------------------------------

    def _random(self, draw, *shape):
        return draw(*shape, generator=self.generator, device=self.rows.device, dtype=self.rows.dtype)

    def _next_rows(self, number):
        """Indices of the next rows of each network, (m, number): each row once, in random order, before any again."""
        return torch.stack([self._next_of(k, number) for k in range(len(self.kept))])

    def _next_of(self, k, number):
        kept = self.kept[k]
        while len(self.orders[k]) < number:
            fresh = torch.randperm(len(kept), generator=self.generator, device=kept.device)
            self.orders[k] = torch.cat([self.orders[k], fresh])
        index, self.orders[k] = self.orders[k].tensor_split([number])
        return kept[index]

    def _next_batch(self):
        """The noisy rows of a step, those of one network after the other, and their weights."""
        m, fours = len(self.kept), -(-self.config.batch_size // 4)
        index = self._next_rows(2 * fours).view(m, fours, 2).repeat(1, 1, 2).flatten()
        z = self._random(torch.randn, m, fours, 2, self.rows.shape[1])
        u = torch.arange(fours, device=self.rows.device, dtype=self.rows.dtype) + self._random(torch.rand, m, fours)
        u = (u / fours).flatten().repeat_interleave(4)
        noise = torch.cat([z, -z], dim=2).flatten(0, 2)
        batch = noisy_batch(self.rows[index], u, noise, self.schedule, self.variance)
        return batch, None if self.weight is None else self.weight[index]

    def step(self, k, rate):
        """Step k = 1, 2, … at learning rate `rate`."""
        batch, weight = self._next_batch()
        m, device = len(self.kept), self.rows.device.type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self.config.autocast):
            output = self.forward(batch.y.unflatten(0, (m, -1)), batch.c_noise.view(m, -1, 4, 1)[:, :, 0])
        error = (output.float().flatten(0, 1) - batch.target) ** 2
        loss = m * mean_sum(loss_weight(self.config.weighting, batch.sigma, self.variance) * error, weight)
        gradients = torch.autograd.grad(loss, list(self.network.parameters()), materialize_grads=True)
        with torch.no_grad():
            gradient = torch.cat([gradient.reshape(m, -1) for gradient in gradients], dim=1)
            self.weights.step(gradient, rate, min(self.config.averaging, (1 + k) / (10 + k)))
            self.gain += mean_sum(batch.nats * (error - batch.target**2), weight)

    # ---- validation ------------------------------------------------------------------------------

    def training_gain(self, steps):
        """Mean loss of the last `steps` steps in nats, relative to the reference Gaussian."""
        value = float(self.gain) / steps
        self.gain.zero_()
        return value

    @torch.no_grad()
    def averaged(self, batches):
        """Outputs of the networks with averaged weights on batches of n rows, a tensor (m, n, d) of each."""
        theta = self.weights.theta
        current = theta.clone()
        theta.copy_(self.weights.average)
        self.network.eval()
        outputs = [torch.cat([self.network(y, c) for y, c in self._pieces(batch)], dim=1) for batch in batches]
        self.network.train()
        theta.copy_(current)
        return outputs

    def _pieces(self, batch):
        m = len(self.kept)
        for y, c in zip(batch.y.split(PIECE // m), batch.c_noise.split(PIECE // m), strict=True):
            yield y.expand(m, -1, -1), c.expand(m, -1, -1)

    # ---- state -----------------------------------------------------------------------------------

    def state(self):
        """Everything that the next step depends on, but for chance."""
        return self.weights.state()

    def whole_state(self):
        """`state` with the source of randomness and the rows still to come."""
        return {**self.state(), "generator": self.generator.get_state(), "orders": [o.clone() for o in self.orders]}

    def restore(self, state):
        """Go back to a state."""
        self.weights.restore(state)
        if "generator" in state:
            self.generator.set_state(state["generator"].cpu())
            self.orders = [order.to(self.rows.device) for order in state["orders"]]


def mean_sum(values, weight):
    """Weighted mean over rows of the sum over columns."""
    rows = values.sum(dim=1)
    return rows.mean() if weight is None else (weight * rows).mean()
