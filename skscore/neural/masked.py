"""A network that answers for some columns of a row, told which by the row itself."""

from __future__ import annotations

from ._torch import nn

__all__ = ["Masked"]


class Masked(nn.Module):
    """A stack of networks whose output j is zero in rows whose bit j is.

    Parameters
    ----------
    network : ResidualMLP
        Maps rows (m, n, d + k) with k ≥ d to (m, n, d).
    d : int
        The bits stand after the first d columns.
    """

    def __init__(self, network, d):
        super().__init__()
        self.network, self.d = network, d

    @property
    def n_networks(self):
        """Networks of the stack."""
        return self.network.n_networks

    def bits(self, y):
        """Those of rows y (…, d + k), shape (…, d)."""
        return y[..., self.d : 2 * self.d]

    def forward(self, y, c_noise):
        """F of rows y (m, n, d + k) at noise labels c_noise (m, q, 1)."""
        return self.bits(y) * self.network(y, c_noise)
