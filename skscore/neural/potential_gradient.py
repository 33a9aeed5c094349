r"""The gradient of a scalar residual network, and what a loss of that gradient asks of its weights.

Of :math:`\varphi(y;\theta)` the gradient :math:`\nabla_y\varphi` is one backward pass. Where a loss of it has the
cotangent v, the gradient of that loss in the weights is the derivative along v of the gradient of φ itself,

.. math:: \nabla_\theta\bigl(v^\top \nabla_y\varphi\bigr)
          = \tfrac{d}{d\epsilon} \nabla_\theta\,\varphi(y + \epsilon v)\big|_{\epsilon=0},

so that one forward and one backward pass along v, dotted below, take the place of a graph of second derivatives
(Pearlmutter, 1994). A layer :math:`h' = h + a(z),\ z = W(k \odot u) + b,\ u = \mathrm n(h)`, with
:math:`k = 1 + m` and the shift b those of the noise label, :math:`g = \partial\varphi/\partial h'` and
:math:`\delta = a'(z) \odot g`, gives

.. math::

   \nabla_W\varphi = \delta (k \odot u)^\top, \qquad
   \tfrac{d}{d\epsilon}\nabla_W\varphi = \dot\delta (k \odot u)^\top + \delta (k \odot \dot u)^\top, \qquad
   \nabla_m\varphi = u \odot W^\top\delta, \\
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

from ._torch import torch
from .layers import EPS, product
from .networks import scaled, shifted

__all__ = ["potential_gradient"]


def potential_gradient(network, y, c_noise):
    """∇φ of rows y (m, n, d) at noise labels c_noise (m, q, 1), shape (m, n, d).

    Parameters
    ----------
    network : ResidualMLP
        φ: one output, and no waves.
    y : tensor of shape (m, n, d)
    c_noise : tensor of shape (m, q, 1)
    """
    shifts, scales = network.modulation(c_noise)
    return _Gradient.apply(y, network, *network.weights, *shifts, *scales, network.out)


class _Gradient(torch.autograd.Function):
    """∇φ, differentiated once more by passes along the cotangent."""

    @staticmethod
    def forward(ctx, y, network, *parameters):
        n_layers, out = len(network.weights), parameters[-1]
        weights, shifts, scales = (parameters[k : k + n_layers] for k in range(0, len(parameters), n_layers))
        of_layers = zip(weights, shifts, [None, *scales[:-1]], strict=True)  # the last of these is `out`
        ctx.layers = [_Layer(network, *each) for each in of_layers]
        ctx.head = _Normal()
        h = y
        for layer in ctx.layers:
            h = layer.forward(h)
        ctx.head.forward(h)
        g = ctx.head.pull(out.mT.expand(h.shape))
        for layer in reversed(ctx.layers):
            g = layer.pull(g)
        return g

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, v):
        asked_of_y, _, *asked_of_parameters = ctx.needs_input_grad
        dh, tangents, gradients = v, [], []
        for layer in ctx.layers:
            dh, tangent = layer.push(dh)
            tangents.append(tangent)
        du, dlog_s = ctx.head.push(dh)
        dg = ctx.head.pull_along(torch.zeros_like(du), du, dlog_s)
        for layer in reversed(ctx.layers):
            tangent = tangents.pop()
            ddelta = layer.turn(dg, tangent)
            back = layer.back_along(ddelta)
            if any(asked_of_parameters):
                gradients.append(layer.gradients(ddelta, back, tangent))
            if asked_of_y or tangents:
                dg = layer.pull_along(dg, back, tangent)
        of_y = dg if asked_of_y else None
        if not gradients:
            return of_y, None, *(None for _ in asked_of_parameters)
        of_weights, of_shifts, of_scales = zip(*reversed(gradients), strict=True)
        return of_y, None, *of_weights, *of_shifts, *of_scales[1:], du.sum(dim=1, keepdim=True).mT


class _Normal:
    """u = n(h) and its symmetric Jacobian P at each row."""

    def forward(self, h):
        """u, which is kept."""
        self.h = h
        self.unit, self.mean, self.inverse_sd = torch.native_layer_norm(h, h.shape[-1:], None, None, EPS)
        return self.unit

    def _times(self, x):
        """Px."""
        kept = self.h, self.h.shape[-1:], self.mean, self.inverse_sd
        return torch.ops.aten.native_layer_norm_backward(x, *kept, None, None, [True, False, False])[0]

    def _dot(self, a, b):
        """Mean over units of ab, over s."""
        return torch.linalg.vecdot(a, b)[..., None] * (self.inverse_sd / self.h.shape[-1])

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
    """h′ = h + a(W(k ∘ u) + b), u = n(h), at some rows, with what its derivatives ask for."""

    def __init__(self, network, weight, shift, scale):
        self.weight, self.shift, self.scale = weight, shift, scale
        self.derivatives = network.derivatives
        self.normal: _Normal | _Identity = _Identity() if scale is None else _Normal()
        self.dropout = None if scale is None else network.dropout
        self.skips = scale is not None and weight.shape[1] == weight.shape[2]

    def _scaled(self, u):
        return u if self.scale is None else scaled(u, self.scale)

    def forward(self, h):
        """h′; the slope a′(z) and the bend a″(z) are kept."""
        self.input = self._scaled(self.normal.forward(h))
        z = shifted(product(self.input, self.weight), self.shift)
        curve = tuple(self.derivatives(z))
        mask = self.dropout.mask(z) if self.dropout else None
        value, self.slope, self.bend = curve if mask is None else (c.mul_(mask) for c in curve)
        return value.add_(h) if self.skips else value

    def pull(self, g):
        """∂φ/∂h, where g = ∂φ/∂h′."""
        self.delta, self.bend_g = self.slope * g, self.bend.mul_(g)
        back = product(self.delta, self.weight.mT)
        if self.scale is None:
            return back
        self.back = back
        back = self.normal.pull(scaled(back, self.scale))
        return back.add_(g) if self.skips else back

    def push(self, dh):
        """Tangent of h′, and those of u, log s and z, which the way back asks for."""
        du, dlog_s = self.normal.push(dh)
        dz = product(self._scaled(du), self.weight)
        moved = dh.addcmul_(self.slope, dz) if self.skips else self.slope * dz
        return moved, (du, dlog_s, dz)

    def turn(self, dg, tangent):
        """Tangent of δ."""
        _, _, dz = tangent
        return (self.slope * dg).addcmul_(self.bend_g, dz)

    def back_along(self, ddelta):
        """Tangent of Wᵀδ."""
        return product(ddelta, self.weight.mT)

    def pull_along(self, dg, back, tangent):
        """Tangent of `pull`, that of Wᵀδ being `back`."""
        du, dlog_s, _ = tangent
        back = self.normal.pull_along(self._scaled(back), du, dlog_s)
        return back.add_(dg) if self.skips else back

    def gradients(self, ddelta, back, tangent):
        """What W, b and k are asked for."""
        du, _, _ = tangent
        weight = product(self.input.mT, ddelta).add_(product(self._scaled(du).mT, self.delta))
        scale = None if self.scale is None else self._gathered(self.normal.unit * back + du * self.back)
        return weight, self._gathered(ddelta), scale

    def _gathered(self, x):
        """Sum over the rows that share a label."""
        return x.unflatten(1, (self.shift.shape[1], -1)).sum(dim=2)
