r"""A network that is the gradient of a potential: :math:`F_j = \partial_{y_j}\varphi(y; c) / \sqrt{\lambda_j}`.

Then the score :math:`s = -x/r^2 + \sqrt\lambda F/(\sigma r)` is minus the gradient in x of the energy

.. math:: E(x, \sigma) = \tfrac12 \sum_j \frac{x_j^2}{r_j^2} - \frac{\varphi(x/r;\ \tfrac14\log\sigma)}{\sigma},

free of curl at every noise level, and −E is an unnormalised log-density. The gradient of a residual network is written
out in `potential_gradient`; that of other networks, and of all in bfloat16, is a graph that autograd differentiates.
"""

from __future__ import annotations

from ._torch import nn, torch
from .networks import ResidualMLP
from .potential_gradient import potential_gradient

__all__ = ["Potential"]


class Potential(nn.Module):
    """Gradient fields of scalar networks.

    Parameters
    ----------
    network : ResidualMLP or Single
        Maps rows (m, n, d) and noise labels (m, q, 1) to one value for each row, of shape (m, n) or (m, n, 1).
    variance : tensor of shape (d,)
        λ.
    """

    def __init__(self, network, variance):
        super().__init__()
        self.network = network
        self.register_buffer("scale", variance.rsqrt(), persistent=False)

    @property
    def n_networks(self):
        """Networks of the stack."""
        return self.network.n_networks

    def potential(self, y, c_noise):
        """φ of rows y (m, n, d) at noise labels c_noise (m, q, 1), shape (m, n)."""
        return self.network(y, c_noise).reshape(y.shape[:2])

    def forward(self, y, c_noise):
        """F of rows y (m, n, d) at noise labels c_noise (m, q, 1)."""
        if self._by_hand(y):
            return potential_gradient(self.network, y, c_noise) * self.scale
        create_graph = torch.is_grad_enabled()
        with torch.enable_grad():
            y = y if y.requires_grad else y.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.potential(y, c_noise).sum(), y, create_graph=create_graph)
        return gradient * self.scale

    def _by_hand(self, y):
        """Whether the derivatives of this network are known in closed form, and asked for at full precision."""
        known = type(self.network) is ResidualMLP and self.network.n_waves == 0
        return known and not torch.is_autocast_enabled(y.device.type)
