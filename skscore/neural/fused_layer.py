r"""A residual layer with SiLU on a CPU, and its derivative, in as few passes over its units as there can be.

.. math:: h' = h + \mu \odot a(z + b), \qquad z = xW, \qquad x = (1 + m) \odot \mathrm n(h)

in the terms of ``networks``. Where g is the gradient in h′,

.. math::

   \delta = \mu \odot a'(z + b) \odot g, \qquad \partial_W = x^\top\delta, \qquad \partial_b = \delta, \qquad
   \partial_x = \delta W^\top, \qquad \partial_m = \mathrm n(h) \odot \partial_x, \\
   \partial_h = g + P\,\bigl((1 + m) \odot \partial_x\bigr),

P the Jacobian of n. Torch's operations write an array for each step of this, which on a CPU takes several times as long
as the products do; ``_kernels.residual_layer`` has what stands between two products in one pass.
"""

from __future__ import annotations

import numpy as np

from .._kernels import residual_layer as kernels
from ._torch import torch
from .layers import EPS, product

__all__ = ["fused_layer", "fusible"]


def fusible(y):
    """Whether this serves layers of rows y: on a CPU, in single precision, without a second derivative."""
    single = y.device.type == "cpu" and y.dtype == torch.float32
    return single and not y.requires_grad and not torch.compiler.is_compiling()


def fused_layer(h, weight, shift, scale=None, dropout=None, rounded=False):
    """h′ of units h (m, n, H), a weight (m, H, H′), shifts (m, q, H′) and scales (m, q, H).

    Without scales x is h, and there is no skip. If `rounded`, factors of products are rounded to bfloat16.
    """
    drawn = None if dropout is None else dropout.drawn((*h.shape[:2], weight.shape[2]), h.device)
    threshold = np.uint8(0 if drawn is None else dropout.threshold)
    return _FusedLayer.apply(h, weight, shift, scale, drawn, threshold, torch.bfloat16 if rounded else torch.float32)


class _FusedLayer(torch.autograd.Function):
    @staticmethod
    def forward(ctx, h, weight, shift, scale, drawn, threshold, precision):
        x, W = h, weight.to(precision)
        if scale is not None:
            x = torch.empty_like(h, dtype=precision)
            kernels.scaled_norm(_matrix(h), _matrix(scale), np.float32(EPS), _matrix(x))
        z = product(x, W)
        out, slope = torch.empty_like(z, dtype=h.dtype), torch.empty_like(z)
        ctx.skips = scale is not None and out.shape == h.shape
        skip = h if ctx.skips else None
        kernels.silu(_matrix(z), _matrix(shift), _matrix(drawn), threshold, _matrix(skip), _matrix(out), _matrix(slope))
        ctx.save_for_backward(h, x, W, scale, slope)
        ctx.labels = shift.shape
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        h, x, W, scale, slope = ctx.saved_tensors
        dz, dshift = torch.empty_like(slope), g.new_empty(ctx.labels)
        kernels.silu_back(_matrix(g), _matrix(slope), _matrix(dz), _matrix(dshift))
        dW = product(x.mT, dz).float()
        if scale is None:
            return None, dW, dshift, None, None, None, None
        dx, dh, dscale = product(dz, W.mT), torch.empty_like(h), scale.new_empty(scale.shape)
        skipped = g if ctx.skips else None
        arrays = (_matrix(tensor) for tensor in (dx, skipped, dh, dscale))
        kernels.scaled_norm_back(_matrix(h), _matrix(scale), np.float32(EPS), *arrays)
        return dh, dW, dshift, dscale, None, None, None


def _matrix(tensor):
    """Rows of all networks of a stack as one array, of which bfloat16 has the bits; None stays None."""
    if tensor is None:
        return None
    array = tensor.detach().contiguous()
    array = array.view(torch.int16).numpy().view(np.uint16) if tensor.dtype == torch.bfloat16 else array.numpy()
    return array.reshape(-1, array.shape[-1])
