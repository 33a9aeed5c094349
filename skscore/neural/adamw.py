r"""AdamW for the networks of a stack, with clipped gradients and a running average of the weights.

With g the gradient of a network, shortened to a largest norm, step t at rate η is

.. math::

   m \leftarrow \beta_1 m + (1 - \beta_1)\,g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2)\,g^2, \\
   \theta \leftarrow (1 - \eta w)\,\theta
   - \frac{\eta}{1 - \beta_1^t}\,\frac{m}{\sqrt{v/(1 - \beta_2^t)} + \epsilon}, \qquad
   \bar\theta \leftarrow \gamma\,\bar\theta + (1 - \gamma)\,\theta

with a decay w (Loshchilov & Hutter, 2019). On a CPU this is one pass over the weights.

References
----------
Loshchilov, I., & Hutter, F. (2019). Decoupled weight decay regularization. ICLR.
"""

from __future__ import annotations

import numpy as np

from .._kernels.adamw import adamw
from ._torch import torch

__all__ = ["AdamW"]

BETAS = 0.9, 0.99
EPS = 1e-8


class AdamW:
    """Weights of m networks in training.

    Parameters
    ----------
    theta : tensor of shape (m, P)
        θ, moved in place.
    weight_decay : float
    clip : float
        Largest norm of the gradient of a network.
    """

    def __init__(self, theta, weight_decay, clip):
        self.theta, self.weight_decay, self.clip = theta, weight_decay, clip
        self.average, self.first, self.second = theta.clone(), torch.zeros_like(theta), torch.zeros_like(theta)
        self.steps = 0

    def step(self, gradient, rate, averaging):
        """Step along the gradient (m, P) at the rate η, with the decay γ of the average."""
        norm = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
        factor = (self.clip / (norm + 1e-6)).clamp(max=1.0)
        self.steps += 1
        unbiased = [1.0 - beta**self.steps for beta in BETAS]
        scalars = rate / unbiased[0], unbiased[1] ** -0.5, EPS, 1.0 - rate * self.weight_decay, 1.0 - averaging
        if gradient.device.type == "cpu" and gradient.dtype == torch.float32:
            self._in_one_pass(gradient, factor[:, 0], *map(np.float32, scalars))
        else:
            self._in_operations(gradient * factor, *scalars)

    def _in_one_pass(self, gradient, factor, *scalars):
        betas = np.float32(BETAS[0]), np.float32(BETAS[1])
        moved = self.theta, self.first, self.second, self.average
        for g, own, *rows in zip(*(tensor.numpy() for tensor in (gradient, factor, *moved)), strict=True):
            adamw(g, own, betas, *scalars, *rows)

    def _in_operations(self, gradient, rate, root, eps, kept, followed):
        self.first.lerp_(gradient, 1.0 - BETAS[0])
        self.second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1.0 - BETAS[1])
        self.theta.mul_(kept).addcdiv_(self.first, self.second.sqrt().mul_(root).add_(eps), value=-rate)
        self.average.lerp_(self.theta, followed)

    def state(self):
        """Everything that the next step depends on, copied."""
        tensors = {name: getattr(self, name).clone() for name in ("theta", "average", "first", "second")}
        return {**tensors, "steps": self.steps}

    def restore(self, state):
        """Go back to a state."""
        for name in ("theta", "average", "first", "second"):
            getattr(self, name).copy_(state[name])
        self.steps = state["steps"]
