"""Networks of one stack that learn: their optimiser, their averaged weights, and the rows still to come."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager

from ._torch import torch
from .adamw import AdamW
from .process_group import ALONE
from .stacks import parameters_as_matrix

__all__ = ["Learner"]


class Learner(ABC):
    """Networks that are trained as one; a subclass says what they lose on rows.

    Parameters
    ----------
    network : torch.nn.Module
        A stack of m networks.
    kept : list of tensor of int64
        Indices of the rows that each of the m networks learns from.
    config : TrainingConfig
    generator : torch.Generator
    group : ProcessGroup
        Processes that each have the same networks, source of randomness and rows, and learn from a share of a batch.
    """

    def __init__(self, network, kept, config, generator, group=ALONE):
        self.network, self.kept, self.config, self.generator = network.train(), kept, config, generator
        self.device, self.group = kept[0].device, group
        self.weights = AdamW(parameters_as_matrix(network), config.weight_decay, config.clip)
        self.orders = [torch.empty(0, dtype=torch.int64, device=self.device) for _ in kept]
        self.gain = torch.zeros((), device=self.device)

    @abstractmethod
    def losses(self):
        """Loss of the next rows, summed over the networks; and its mean in nats, relative to where training begins.

        In a group both are shares, which add up to those of all rows of the step.
        """

    # ---- one step --------------------------------------------------------------------------------

    def next_rows(self, number):
        """Indices of the next rows of each network, (m, number): each row once, in random order, before any again."""
        return torch.stack([self._next_of(k, number) for k in range(len(self.kept))])

    def _next_of(self, k, number):
        kept = self.kept[k]
        while len(self.orders[k]) < number:
            fresh = torch.randperm(len(kept), generator=self.generator, device=kept.device)
            self.orders[k] = torch.cat([self.orders[k], fresh])
        index, self.orders[k] = self.orders[k].tensor_split([number])
        return kept[index]

    def step(self, k, rate):
        """Step k = 1, 2, … at learning rate `rate`."""
        loss, nats = self.losses()
        gradients = torch.autograd.grad(loss, list(self.network.parameters()), materialize_grads=True)
        with torch.no_grad():
            gradient = torch.cat([gradient.reshape(len(self.kept), -1) for gradient in gradients], dim=1)
            self.weights.step(self.group.sum_up(gradient), rate, min(self.config.averaging, (1 + k) / (10 + k)))
            self.gain += nats

    # ---- validation ------------------------------------------------------------------------------

    def training_gain(self, steps):
        """Mean loss of the last `steps` steps in nats, relative to where training begins."""
        value = float(self.group.sum_up(self.gain)) / steps
        self.gain.zero_()
        return value

    @contextmanager
    def averaged_weights(self):
        """The networks with their averaged weights, as they are evaluated; then again those in training."""
        with torch.no_grad():
            theta = self.weights.theta
            current = theta.clone()
            theta.copy_(self.weights.average)
            yield self.network.eval()
            self.network.train()
            theta.copy_(current)

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
            self.orders = [order.to(self.device) for order in state["orders"]]
