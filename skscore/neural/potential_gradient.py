r"""The gradient of a scalar residual network, and what a loss of that gradient asks of its weights.

Of :math:`\varphi(y;\theta)` the gradient :math:`\nabla_y\varphi` is one backward pass. Where a loss of it has the
cotangent v, the gradient of that loss in the weights is the derivative along v of the gradient of φ itself,

.. math:: \nabla_\theta\bigl(v^\top \nabla_y\varphi\bigr)
          = \tfrac{d}{d\epsilon} \nabla_\theta\,\varphi(y + \epsilon v)\big|_{\epsilon=0},

so that one forward and one backward pass along v, dotted below, take the place of a graph of second derivatives
(Pearlmutter, 1994). A layer :math:`h' = h + a(z),\ z = Wu + Ve + b,\ u = \mathrm n(h)` with
:math:`g = \partial\varphi/\partial h'` and :math:`\delta = a'(z) \odot g` gives

.. math::

   \nabla_W\varphi = \delta u^\top, \qquad
   \tfrac{d}{d\epsilon}\nabla_W\varphi = \dot\delta u^\top + \delta \dot u^\top, \qquad
   \dot\delta = a'(z) \odot \dot g + a''(z) \odot g \odot \dot z .

The Jacobian P of the normalisation is symmetric: one routine pushes tangents forward and pulls gradients back. With
s the standard deviation of the row and a bar for the mean over units,

.. math::

   Px = \tfrac1s\bigl(x - \bar x - u\,\overline{ux}\bigr), \qquad
   \tfrac{d}{d\epsilon}(Px) = P\bigl(\dot x - \tfrac1s\,\overline{u\dot h}\,x\bigr)
   - \tfrac1s\bigl(\overline{ux}\,\dot u + \overline{\dot ux}\,u\bigr), \qquad \dot u = P\dot h .

References
----------
Pearlmutter, B. A. (1994). Fast exact multiplication by the Hessian. Neural Computation 6, 147-160.
"""

from __future__ import annotations

from itertools import chain

from ._torch import torch
from .layers import product
from .networks import EPS, affine, fourier_features

__all__ = ["potential_gradient"]


def potential_gradient(network, y, c_noise):
    """∇φ of rows y (n, d) at noise labels c_noise (n, 1), shape (n, d).

    Parameters
    ----------
    network : ResidualMLP
        φ: one output, and no waves.
    y : tensor of shape (n, d)
    c_noise : tensor of shape (n, 1)
    """
    parameters = [p for name, p in network.named_parameters() if name != "out.bias"]  # a constant has no slope
    return _Gradient.apply(y, fourier_features(c_noise), network, *parameters)


class _Gradient(torch.autograd.Function):
    """∇φ, differentiated once more by passes along the cotangent."""

    @staticmethod
    def forward(ctx, y, features, network, *parameters):
        ctx.layers, ctx.head = [_Layer(network, k, features) for k in range(len(network.layers))], _Normal()
        h = y
        for layer in ctx.layers:
            h = layer.forward(h)
        ctx.head.forward(h)
        g = ctx.head.pull(network.out.weight.expand(len(y), -1))
        for layer in reversed(ctx.layers):
            g = layer.pull(g)
        return g

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, v):
        asked_of_y, _, _, *asked_of_parameters = ctx.needs_input_grad
        dh, tangents, gradients = v, [], []
        for layer in ctx.layers:
            dh, tangent = layer.push(dh)
            tangents.append(tangent)
        du, dlog_s = ctx.head.push(dh)
        dg = ctx.head.pull_along(torch.zeros_like(du), du, dlog_s)
        for layer in reversed(ctx.layers):
            tangent = tangents.pop()
            ddelta = layer.turn(dg, tangent)
            if any(asked_of_parameters):
                gradients.append(layer.gradients(ddelta, tangent))
            if asked_of_y or tangents:
                dg = layer.pull_along(dg, ddelta, tangent)
        of_y = dg if asked_of_y else None
        if not gradients:
            return of_y, None, None, *(None for _ in asked_of_parameters)
        of_affine, of_label = zip(*reversed(gradients), strict=True)
        return of_y, None, None, *chain.from_iterable(of_affine), *of_label, du.sum(dim=0, keepdim=True)


class _Normal:
    """u = n(h) and its symmetric Jacobian P at each row."""

    def forward(self, h):
        """u, which is kept."""
        self.h = h
        self.unit, self.mean, self.inverse_sd = torch.native_layer_norm(h, h.shape[1:], None, None, EPS)
        return self.unit

    def _times(self, x):
        """Px."""
        kept = self.h, self.h.shape[1:], self.mean, self.inverse_sd
        return torch.ops.aten.native_layer_norm_backward(x, *kept, None, None, [True, False, False])[0]

    def _dot(self, a, b):
        """Mean over units of ab, over s."""
        return torch.linalg.vecdot(a, b)[:, None] * (self.inverse_sd / self.h.shape[1])

    def push(self, dh):
        """Tangent of u where h moves along dh, and that of log s."""
        return self._times(dh), self._dot(self.unit, dh)

    def pull(self, x):
        """Gradient in h where that in u is x."""
        self.x, self.bent = x, self._dot(self.unit, x)
        return self._times(x)

    def pull_along(self, dx, du, dlog_s):
        """Tangent of `pull`, x moving along dx."""
        turned = self._dot(du, self.x)
        result = self._times(dx.addcmul_(self.x, dlog_s, value=-1.0))
        return result.addcmul_(du, self.bent, value=-1.0).addcmul_(self.unit, turned, value=-1.0)


class _Identity:
    """What stands before the first layer in place of the normalisation."""

    def forward(self, h):
        """h itself."""
        self.unit = h
        return h

    def push(self, dh):
        """Tangent of h."""
        return dh, None

    def pull(self, x):
        """Gradient in h."""
        return x

    def pull_along(self, dx, du, dlog_s):
        """Tangent of `pull`."""
        return dx


class _Layer:
    """h′ = h + a(Wu + Ve + b), u = n(h), at some rows, with what its derivatives ask for."""

    def __init__(self, network, index, features):
        self.layer, self.label = network.layers[index], network.labels[index]
        self.derivatives, self.features = network.derivatives, features
        self.dropout = network.dropout if index else None
        self.normal = _Normal() if index else _Identity()
        self.skips = index > 0 and self.layer.in_features == self.layer.out_features

    def forward(self, h):
        """h′; the slope a′(z) and the bend a″(z) are kept."""
        z = affine(self.normal.forward(h), self.features, self.layer, self.label)
        curve = tuple(self.derivatives(z))
        mask = self.dropout.mask(z) if self.dropout else None
        value, self.slope, self.bend = curve if mask is None else (c.mul_(mask) for c in curve)
        return value.add_(h) if self.skips else value

    def pull(self, g):
        """∂φ/∂h, where g = ∂φ/∂h′."""
        self.delta, self.bend_g = self.slope * g, self.bend.mul_(g)
        back = self.normal.pull(product(self.delta, self.layer.weight))
        return back.add_(g) if self.skips else back

    def push(self, dh):
        """Tangent of h′, and those of u, log s and z, which the way back asks for."""
        du, dlog_s = self.normal.push(dh)
        dz = product(du, self.layer.weight.T)
        moved = dh.addcmul_(self.slope, dz) if self.skips else self.slope * dz
        return moved, (du, dlog_s, dz)

    def turn(self, dg, tangent):
        """Tangent of δ."""
        _, _, dz = tangent
        return (self.slope * dg).addcmul_(self.bend_g, dz)

    def pull_along(self, dg, ddelta, tangent):
        """Tangent of `pull`."""
        du, dlog_s, _ = tangent
        back = self.normal.pull_along(product(ddelta, self.layer.weight), du, dlog_s)
        return back.add_(dg) if self.skips else back

    def gradients(self, ddelta, tangent):
        """What (W, b) and V are asked for."""
        du, _, _ = tangent
        weight = product(ddelta.T, self.normal.unit).add_(product(self.delta.T, du))
        return (weight, ddelta.sum(dim=0)), product(ddelta.T, self.features.expand(len(ddelta), -1))
