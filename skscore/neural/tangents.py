r"""Weighted traces of a network's Jacobian, :math:`\ell_k^\top \frac{\partial F}{\partial y} v_k`, for many directions.

All K tangents go through one batched forward pass, by a rule for each layer. With :math:`\hat x = (h - \bar h)/s` the
normalised units of one row,

.. math::

   W\,d\hat x = \tfrac1s\bigl(W_c\,dh - (W\hat x)\,\tfrac1H \hat x^\top dh\bigr), \qquad W_c = W - \overline W

(the mean over units is folded into the weights), so that a layer costs one matrix product for K · n rows and two passes
over its result. The first layer needs no product where v is an axis, the last only :math:`W_{out}^\top\ell_k`.
Networks of other classes take one backward pass for each direction.
"""

from __future__ import annotations

import torch

from .networks import ResidualMLP, affine, fourier_features, normalise, wave_tangents, waves

__all__ = ["field_and_curvature", "field_and_traces"]


def field_and_traces(network, y, c_noise, directions, covectors):
    """F(y; c) and the traces ℓ_kᵀ (∂F/∂y) v_k of each row.

    Parameters
    ----------
    network : torch.nn.Module
        Maps (y, c_noise) to F, row by row.
    y : tensor of shape (n, d)
    c_noise : tensor of shape (n, 1)
    directions, covectors : tensors of shape (K, d)
        v_k and ℓ_k, the same for all rows.

    Returns
    -------
    F : tensor of shape (n, d)
    traces : tensor of shape (n, K)
    """
    rule = _by_tangents if type(network) is ResidualMLP else _by_backward_passes
    return rule(network, y, c_noise, directions, covectors)


def field_and_curvature(network, y, c_noise, direction, covector):
    """F(y; c), shape (n, d), and ℓᵀ (∂F/∂y) v of each row, shape (n,), for a v and an ℓ of its own, both (n, d)."""
    with torch.enable_grad():
        y = y.detach().requires_grad_()
        F = network(y, c_noise)
        (row,) = torch.autograd.grad((F * covector).sum(), y)
    return F.detach(), (row * direction).sum(dim=1)


def _by_backward_passes(network, y, c_noise, directions, covectors):
    with torch.enable_grad():
        y = y.detach().requires_grad_()
        F = network(y, c_noise)
        rows = [torch.autograd.grad((F * ell).sum(), y, retain_graph=True)[0] for ell in covectors]
    return F.detach(), torch.stack([row @ v for row, v in zip(rows, directions, strict=True)], dim=1)


@torch.no_grad()
def _by_tangents(network, y, c_noise, directions, covectors):
    features = fourier_features(c_noise)
    h, slope = _activate(network, affine(waves(y, network.n_waves), features, network.layers[0], network.labels[0]))
    dh = slope * (wave_tangents(y, network.n_waves, directions) @ network.layers[0].weight.T)  # (K, n, H)
    for layer, label in zip(network.layers[1:], network.labels[1:], strict=True):
        unit, inverse_sd = normalise(h)
        linear = unit @ layer.weight.T
        update, slope = _activate(network, linear + (layer.bias + label(features)))
        da = dh @ (layer.weight - layer.weight.mean(dim=1, keepdim=True)).T
        da.addcmul_(linear, _along(unit, dh), value=-1.0)
        skips = update.shape == h.shape
        h, dh = (h + update, dh.addcmul_(da, slope * inverse_sd)) if skips else (update, da.mul_(slope * inverse_sd))
    unit, inverse_sd = normalise(h)
    rows = covectors @ network.out.weight  # (K, H)
    centred = torch.einsum("knh,kh->kn", dh, rows - rows.mean(dim=1, keepdim=True))
    traces = (centred - (rows @ unit.T) * _along(unit, dh)[..., 0]) * inverse_sd[:, 0]
    return network.out(unit), traces.T


def _along(unit, dh):
    """x̂ᵀdh / H of each tangent, shape (K, n, 1)."""
    return torch.einsum("nh,knh->kn", unit, dh)[..., None] / unit.shape[1]


def _activate(network, a):
    """Activation and its slope at `a`."""
    with torch.enable_grad():
        a = a.detach().requires_grad_()
        value = network.activation(a)
        (slope,) = torch.autograd.grad(value.sum(), a)
    return value.detach(), slope
