r"""Weighted traces of a network's Jacobian, :math:`\ell_k^\top \frac{\partial F}{\partial y} v_k`, for many directions.

All K tangents go through one batched forward pass, by a rule for each layer of the network at one level. With
:math:`\hat x = (h - \bar h)/s` the normalised units of one row,

.. math::

   W\,d\hat x = \tfrac1s\bigl(W_c\,dh - (W\hat x)\,\tfrac1H \hat x^\top dh\bigr), \qquad W_c = W - \overline W

(the mean over units is folded into the weights), so that a layer costs one matrix product for K · n rows and a pass or
two over its result. The first layer needs no product where v is an axis, the last only :math:`W_{out}^\top\ell_k`. What
all rows at one noise level share is found once. Networks of other classes take one backward pass for each direction.
Networks of a stack (see ``networks``) pass together.
"""

from __future__ import annotations

from functools import partial

from ._torch import torch
from .layers import product, rounded_product
from .level_passes import passes_for
from .masked import Masked
from .networks import ResidualMLP, wave_tangents
from .one_level import OneLevel

__all__ = ["output_and_curvature", "output_and_traces"]


def output_and_traces(network, c_noise, directions, covectors, rounded=False):
    """Function of rows y (n, d) to F(y; c), shape (m, n, d), and to the traces ℓ_kᵀ (∂F/∂y) v_k, shape (m, n, K).

    Parameters
    ----------
    network : torch.nn.Module
        A stack of m networks that map (y, c_noise) to F, row by row.
    c_noise : tensor of shape (m, 1, 1)
        The label of all rows.
    directions, covectors : tensors of shape (K, d)
        v_k and ℓ_k, the same for all rows.
    rounded : bool
        Whether tangents are multiplied in bfloat16; for residual networks alone.

    Of a masked network v_k and ℓ_k are axis k.
    """
    if type(network) is Masked:
        return partial(_masked, network, output_and_traces(network.network, c_noise, directions, covectors, rounded))
    if type(network) is ResidualMLP:
        return _Tangents(network, c_noise, directions, covectors, rounded_product if rounded else product)
    return partial(_by_backward_passes, network, c_noise, directions, covectors)


def output_and_curvature(network, c_noise, y, direction, covector):
    """F(y; c), shape (m, n, d), and ℓᵀ (∂F/∂y) v, shape (m, n), of rows y (n, d) with a v and an ℓ of their own."""
    with torch.enable_grad():
        y = y.expand(len(c_noise), -1, -1).detach().requires_grad_()
        F = network(y, c_noise)
        (row,) = torch.autograd.grad((F * covector).sum(), y)
    return F.detach(), (row * direction).sum(dim=-1)


def _masked(network, rule, y):
    """F and the traces of a masked network, from those without the mask."""
    F, traces = rule(y)
    return network.bits(y) * F, network.bits(y) * traces


def _by_backward_passes(network, c_noise, directions, covectors, y):
    """F and the traces of any network."""
    with torch.enable_grad():
        y = y.expand(len(c_noise), -1, -1).detach().requires_grad_()
        F = network(y, c_noise)
        rows = [torch.autograd.grad((F * ell).sum(), y, retain_graph=True)[0] for ell in covectors]
    return F.detach(), torch.stack([row @ v for row, v in zip(rows, directions, strict=True)], dim=-1)


class _Tangents(OneLevel):
    """Traces of residual networks at one noise level."""

    @torch.no_grad()
    def __init__(self, network, c_noise, directions, covectors, multiply):
        super().__init__(network, c_noise)
        self.directions, self.multiply = directions, multiply
        self.centred = [weight - weight.mean(dim=1, keepdim=True) for weight in self.weights[1:]]
        self.rows = product(covectors, network.out.mT)  # (m, K, H)
        self.spaces = {}

    @torch.no_grad()
    def __call__(self, y):
        """F and the traces of rows y (n, d)."""
        first = self.first(y)
        passes, layers = passes_for(self.network, first), self.layers(first, with_slopes=True)
        _, units = next(layers)
        dz = product(wave_tangents(y, self.network.n_waves, self.directions), self.weights[0][:, None])
        dh = torch.mul(units.slope[:, :, None], dz, out=self._space(units.h))
        for weight, (z, above) in zip(self.centred, layers, strict=True):
            da = self._space(above.h, dh)
            self.multiply(dh.flatten(1, 2), weight, out=da.flatten(1, 2))
            dh, units = passes.moved(dh, da, units, z, above.slope), above
        return self.head(units.unit), passes.traced(dh, units, self.rows)

    def _space(self, units, taken=None):
        """Memory for the tangents of these units, not that which is taken; taken once, since fresh pages are slow."""
        m, n, H = units.shape
        if (m, n, H) not in self.spaces:
            self.spaces[m, n, H] = units.new_empty(2, m, n, len(self.directions), H)
        one, other = self.spaces[m, n, H]
        return other if taken is not None and taken.data_ptr() == one.data_ptr() else one
