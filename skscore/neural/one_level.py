"""A residual network at one noise level, without gradients.

The scales 1 + m of the units belong there to the weights, W(1 + m), and what all rows share is found once.
"""

from __future__ import annotations

from functools import partial

from ._torch import torch
from .layers import product
from .masked import Masked
from .networks import ResidualMLP, normalise, waves

__all__ = ["OneLevel", "output_at"]


def output_at(network, c_noise):
    """Function of rows y (n, d) to F(y; c), shape (m, n, d), of a stack of m networks at a label c_noise (m, 1, 1)."""
    if type(network) is Masked:
        return partial(_masked, network, output_at(network.network, c_noise))
    if type(network) is ResidualMLP:
        return OneLevel(network, c_noise)
    return lambda y: network(y.expand(len(c_noise), -1, -1), c_noise)


def _masked(network, output, y):
    return network.bits(y) * output(y)


class OneLevel:
    """A stack of residual networks at one noise level.

    Parameters
    ----------
    network : ResidualMLP
    c_noise : tensor of shape (m, 1, 1)
    """

    @torch.no_grad()
    def __init__(self, network, c_noise):
        self.network = network
        self.shifts, scales = network.modulation(c_noise)
        scaled = zip(network.weights[1:], scales, strict=True)
        self.weights = [network.weights[0], *(weight.addcmul(weight, scale.mT) for weight, scale in scaled)]

    @torch.no_grad()
    def __call__(self, y):
        """F of rows y (n, d), shape (m, n, d)."""
        h = self.last_hidden(product(waves(y, self.network.n_waves), self.weights[0]))
        return product(h, self.network.out) + self.network.out_bias

    @torch.no_grad()
    def last_hidden(self, first):
        """What the last layer sees, n(h_L), from the products W₁y (m, n, H) of the first, which are written over."""
        h = self.network.activation(first.add_(self.shifts[0]))
        for weight, shift in zip(self.weights[1:], self.shifts[1:], strict=True):
            update = self.network.activation(product(normalise(h)[0], weight).add_(shift))
            h = update.add_(h) if update.shape == h.shape else update
        return normalise(h)[0]
