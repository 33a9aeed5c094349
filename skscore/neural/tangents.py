r"""Weighted traces of a network's Jacobian, :math:`\ell_k^\top \frac{\partial F}{\partial y} v_k`, for many directions.

All K tangents go through one batched forward pass, by a rule for each layer. With :math:`\hat x = (h - \bar h)/s` the
normalised units of one row,

.. math::

   W\,d\hat x = \tfrac1s\bigl(W_c\,dh - (W\hat x)\,\tfrac1H \hat x^\top dh\bigr), \qquad W_c = W - \overline W

(the mean over units is folded into the weights), so that a layer costs one matrix product for K · n rows and two passes
over its result. The first layer needs no product where v is an axis, the last only :math:`W_{out}^\top\ell_k`. What
all rows at one noise level share is found once. Networks of other classes take one backward pass for each direction.
"""

from __future__ import annotations

from functools import partial
from itertools import islice

from ._torch import torch
from .layers import product
from .networks import ResidualMLP, affine, fourier_features, normalise, wave_tangents, waves

__all__ = ["output_and_curvature", "output_and_traces"]


def output_and_traces(network, c_noise, directions, covectors):
    """Function of rows y (n, d) to F(y; c), shape (n, d), and to the traces ℓ_kᵀ (∂F/∂y) v_k of each, shape (n, K).

    Parameters
    ----------
    network : torch.nn.Module
        Maps (y, c_noise) to F, row by row.
    c_noise : tensor of shape (1, 1)
        The label of all rows.
    directions, covectors : tensors of shape (K, d)
        v_k and ℓ_k, the same for all rows.
    """
    if type(network) is ResidualMLP:
        return _Tangents(network, c_noise, directions, covectors)
    return partial(_by_backward_passes, network, c_noise, directions, covectors)


def output_and_curvature(network, y, c_noise, direction, covector):
    """F(y; c), shape (n, d), and ℓᵀ (∂F/∂y) v of each row, shape (n,), for a v and an ℓ of its own, both (n, d)."""
    with torch.enable_grad():
        y = y.detach().requires_grad_()
        F = network(y, c_noise)
        (row,) = torch.autograd.grad((F * covector).sum(), y)
    return F.detach(), (row * direction).sum(dim=1)


def _by_backward_passes(network, c_noise, directions, covectors, y):
    """F and the traces of any network."""
    with torch.enable_grad():
        y = y.detach().requires_grad_()
        F = network(y, c_noise.expand(len(y), 1))
        rows = [torch.autograd.grad((F * ell).sum(), y, retain_graph=True)[0] for ell in covectors]
    return F.detach(), torch.stack([row @ v for row, v in zip(rows, directions, strict=True)], dim=1)


class _Tangents:
    """Traces of the residual network."""

    @torch.no_grad()
    def __init__(self, network, c_noise, directions, covectors):
        self.network, self.directions, self.features = network, directions, fourier_features(c_noise)
        self.weights = [_centred(layer.weight).T for layer in network.layers[1:]]
        self.rows = product(covectors, network.out.weight)  # (K, H)
        self.spaces = {}

    @torch.no_grad()
    def __call__(self, y):
        network, features = self.network, self.features
        z = affine(waves(y, network.n_waves), features, network.layers[0], network.labels[0])
        h, slope = islice(network.derivatives(z), 2)
        dz = wave_tangents(y, network.n_waves, self.directions) @ network.layers[0].weight.T
        dh = torch.mul(slope, dz, out=self._space(0, h))
        for k, (layer, label) in enumerate(zip(network.layers[1:], network.labels[1:], strict=True)):
            unit, inverse_sd = normalise(h)
            linear = product(unit, layer.weight.T)
            update, slope = islice(network.derivatives(linear + (layer.bias + label(features))), 2)
            da = self._space(k + 1, update)
            product(dh.flatten(0, 1), self.weights[k], out=da.flatten(0, 1))
            da.addcmul_(linear, _along(unit, dh), value=-1.0)
            slope.mul_(inverse_sd)
            skips = update.shape == h.shape
            h, dh = (update.add_(h), dh.addcmul_(da, slope)) if skips else (update, da.mul_(slope))
        unit, inverse_sd = normalise(h)
        along = _along(unit, dh)[..., 0]
        traces = dh.mul_(_centred(self.rows)[:, None]).sum(dim=2).sub_(product(self.rows, unit.T).mul_(along))
        return network.out(unit), traces.mul_(inverse_sd[:, 0]).T

    def _space(self, layer, units):
        """Memory for the tangents of these units, taken once: the blocks of rows are many, and fresh pages are slow."""
        key = layer, units.shape
        if key not in self.spaces:
            self.spaces[key] = units.new_empty(len(self.directions), *units.shape)
        return self.spaces[key]


def _centred(rows):
    return rows - rows.mean(dim=1, keepdim=True)


def _along(unit, dh):
    """x̂ᵀdh / H of each tangent, shape (K, n, 1)."""
    return torch.einsum("nh,knh->kn", unit, dh)[..., None] / unit.shape[1]
