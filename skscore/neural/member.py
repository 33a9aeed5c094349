"""Networks that are trained as one, with their optimiser, their averaged weights and their rows.

A step takes its noisy rows in fours that share a noise level: two rows of the table, each with the noise z and with −z.
Of such a pair the errors of odd order in z cancel, and labels are features of a quarter of the noisy rows.
"""

from __future__ import annotations

from ..formulas.schedules import loss_weight
from ._torch import torch
from .stacks import parameters_as_matrix

__all__ = ["Member", "mean_sum"]

BETAS = 0.9, 0.99  # of AdamW
PIECE = 4096  # rows of all networks together that pass at a time where no gradient is asked


class Member:
    """Networks of one stack with their optimiser, their averaged weights and their rows.

    Parameters
    ----------
    network : torch.nn.Module
        A stack of m networks.
    rows : NoisyRows, or what ``noisy_rows`` asks for
    kept : list of tensor of int64
        Indices of the rows that each of the m networks learns from.
    config : TrainingConfig
    generator : torch.Generator
    """

    def __init__(self, network, rows, kept, config, generator):
        self.network, self.config = network.train(), config
        self.forward = torch.compile(network) if config.compile else network
        self.rows, self.weight, self.variance, self.kept = rows, rows.weight, rows.variance, kept
        self.generator = generator
        self.theta = parameters_as_matrix(network)
        self.average = self.theta.detach().clone()
        self.optimizer = torch.optim.AdamW(
            [self.theta], lr=config.learning_rate, weight_decay=config.weight_decay, betas=BETAS, fused=True
        )
        self.orders = [torch.empty(0, dtype=torch.int64, device=self.variance.device) for _ in kept]
        self.gain = torch.zeros((), device=self.variance.device)

    # ---- one step --------------------------------------------------------------------------------

    def _random(self, draw, *shape):
        return draw(*shape, generator=self.generator, device=self.variance.device, dtype=self.variance.dtype)

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
        index = self._next_rows(2 * fours).flatten()
        z = self._random(torch.randn, m, fours, 2, len(self.variance))
        u = torch.arange(fours, device=z.device, dtype=z.dtype) + self._random(torch.rand, m, fours)
        u = (u / fours).flatten().repeat_interleave(4)
        noise = torch.cat([z, -z], dim=2).flatten(0, 2)
        batch = self.rows.noisy(_in_fours(self.rows.clean(index)), u, noise)
        return batch, None if self.weight is None else _in_fours(self.weight[index])

    def step(self, k, rate):
        """Step k = 1, 2, … at learning rate `rate`."""
        batch, weight = self._next_batch()
        m, device = len(self.kept), self.variance.device.type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self.config.autocast):
            output = self.forward(batch.y.unflatten(0, (m, -1)), batch.c_noise.view(m, -1, 4, 1)[:, :, 0])
        error = (output.float().flatten(0, 1) - batch.target) ** 2
        loss = m * mean_sum(loss_weight(self.config.weighting, batch.sigma, self.variance) * error, weight)
        gradients = torch.autograd.grad(loss, list(self.network.parameters()), materialize_grads=True)
        with torch.no_grad():
            self._move(torch.cat([gradient.reshape(m, -1) for gradient in gradients], dim=1), rate)
            decay = min(self.config.averaging, (1 + k) / (10 + k))
            self.average.lerp_(self.theta, 1.0 - decay)
            self.gain += mean_sum(batch.nats * (error - batch.target**2), weight)

    def _move(self, gradient, rate):
        """AdamW's step along the gradient (m, P), each network's clipped to a norm of its own."""
        norm = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
        self.theta.grad = gradient.mul_((self.config.clip / (norm + 1e-6)).clamp(max=1.0))
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.step()

    # ---- validation ------------------------------------------------------------------------------

    def training_gain(self, steps):
        """Mean loss of the last `steps` steps in nats, relative to the reference Gaussian."""
        value = float(self.gain) / steps
        self.gain.zero_()
        return value

    @torch.no_grad()
    def averaged(self, batches):
        """Outputs of the networks with averaged weights on batches of n rows, a tensor (m, n, d) of each."""
        current = self.theta.clone()
        self.theta.copy_(self.average)
        self.network.eval()
        outputs = [torch.cat([self.network(y, c) for y, c in self._pieces(batch)], dim=1) for batch in batches]
        self.network.train()
        self.theta.copy_(current)
        return outputs

    def _pieces(self, batch):
        m = len(self.kept)
        for y, c in zip(batch.y.split(PIECE // m), batch.c_noise.split(PIECE // m), strict=True):
            yield y.expand(m, -1, -1), c.expand(m, -1, -1)

    # ---- state -----------------------------------------------------------------------------------

    def state(self):
        """Everything that the next step depends on."""
        return {
            "theta": self.theta.detach().clone(),
            "average": self.average.clone(),
            "optimizer": _cloned(self.optimizer.state_dict()),
        }

    def whole_state(self):
        """`state` with the source of randomness and the rows still to come."""
        return {**self.state(), "generator": self.generator.get_state(), "orders": [o.clone() for o in self.orders]}

    @torch.no_grad()
    def restore(self, state):
        """Go back to a state."""
        self.theta.copy_(state["theta"])
        self.average.copy_(state["average"])
        self.optimizer.load_state_dict(_cloned(state["optimizer"]))
        if "generator" in state:
            self.generator.set_state(state["generator"].cpu())
            self.orders = [order.to(self.variance.device) for order in state["orders"]]


def _in_fours(rows):
    """Rows two by two, each pair twice: (2k, …) to (4k, …)."""
    return rows.unflatten(0, (-1, 2)).repeat(1, 2, *[1] * (rows.ndim - 1)).flatten(0, 1)


def mean_sum(values, weight):
    """Weighted mean over rows of the sum over columns."""
    rows = values.sum(dim=1)
    return rows.mean() if weight is None else (weight * rows).mean()


def _cloned(tree):
    """Copy of nested dictionaries and lists with cloned tensors."""
    if isinstance(tree, dict):
        return {key: _cloned(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_cloned(value) for value in tree]
    return tree.clone() if isinstance(tree, torch.Tensor) else tree
