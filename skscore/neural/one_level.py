"""A residual network at one noise level, without gradients.

The scales 1 + m of the units belong there to the weights, W(1 + m), and what all rows share is found once.
"""

from __future__ import annotations

from functools import partial

from ._torch import torch
from .layers import product
from .level_passes import passes_for
from .masked import Masked
from .networks import ResidualMLP, waves

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
        return self.head(self.last_hidden(self.first(y)))

    def first(self, y):
        """Products W₁y of the first layer, (m, n, H)."""
        return product(waves(y, self.network.n_waves), self.weights[0])

    def head(self, unit):
        """F, from what the last layer sees."""
        return product(unit, self.network.out) + self.network.out_bias

    @torch.no_grad()
    def last_hidden(self, first):
        """What the last layer sees, n(h_L), from the products of the first."""
        *_, (_, last) = self.layers(first)
        return last.unit

    def layers(self, first, with_slopes=False):
        """The products z and the ``Units`` of one layer after the other, from the products of the first."""
        passes = passes_for(self.network, first)
        units = passes.activated(first, self.shifts[0], None, with_slopes)
        yield first, units
        for weight, shift in zip(self.weights[1:], self.shifts[1:], strict=True):
            z = product(units.unit, weight)
            units = passes.activated(z, shift, units.h, with_slopes)
            yield z, units
