r"""The blocks of interactions by their rows: :math:`\Gamma_j = D_j^\top D_j` is applied, and never formed.

With A the powers :math:`x^a` of n rows, :math:`u_j, l_j` their slopes in column j times the root of weight and
:math:`h_j`, the features of column j are :math:`D_j = (u_j \circ A,\; -l_j)`, so that all columns at once take two
matrix products,

.. math:: R = U \circ (AK) - L\,\mathrm{diag}(\eta), \qquad
          (\Gamma_jK_j)_{j} = A^\top(U \circ R), \qquad \operatorname{diag}\Gamma_j = (A^2)^\top u_j^2 .

Memory is O(np + p²) in place of p³. Where η is profiled out, R is what its projection on :math:`l_j` leaves in each
column.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

__all__ = ["RowForm"]


@dataclass(frozen=True)
class RowForm:
    """J = Σ_j ½ θ_jᵀΓ_jθ_j − g_jᵀθ_j + c of θ (p, m), row j of which is (K_j, η_j), or K_j alone.

    Parameters
    ----------
    A, U : ndarrays of shape (n, p)
        Powers, and their slopes times the roots of the weights.
    L : ndarray of shape (n, p) or None
        Slopes of the linear part times the same roots; None where η = 0.
    g : ndarray of shape (p, m)
        m = p + 1; p where η = 0 or profiled out.
    c : float
    n : float
        Total weight of the rows.
    multiplier : float, default=1.0
        Of the diagonals of Γ, but for the entries of η.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.fitting.row_form import RowForm
    >>> root = np.full((2, 1), np.sqrt(0.5))  # two rows, each with half of the weight
    >>> form = RowForm(np.array([[1.0], [3.0]]), root, root, np.array([[1.0, 0.0]]), 0.0, 2.0)
    >>> form.block(0).round(12)
    array([[ 5., -2.],
           [-2.,  1.]])
    >>> form.profiled().block(0).round(12)
    array([[1.]])
    """

    A: np.ndarray
    U: np.ndarray
    L: np.ndarray | None
    g: np.ndarray
    c: float
    n: float
    multiplier: float = 1.0

    def __add__(self, other: RowForm) -> RowForm:
        """Form of the rows of both."""
        n = self.n + other.n
        a, b = self.n / n, other.n / n
        U = np.concatenate([np.sqrt(a) * self.U, np.sqrt(b) * other.U])
        L = None if self.L is None else np.concatenate([np.sqrt(a) * self.L, np.sqrt(b) * other.L])
        return RowForm(np.concatenate([self.A, other.A]), U, L, a * self.g + b * other.g, a * self.c + b * other.c, n)

    @property
    def _is_profiled(self):
        return self.L is not None and self.g.shape[1] == len(self.g)

    @cached_property
    def _square(self):
        """l_jᵀl_j, shape (p,)."""
        return np.square(self.L).sum(axis=0)

    @cached_property
    def _cross(self):
        """Aᵀ(u_j ∘ l_j) in row j, shape (p, p)."""
        return (self.U * self.L).T @ self.A

    @cached_property
    def _plain_diagonal(self):
        p = len(self.g)
        diagonal = np.square(self.U).T @ np.square(self.A)
        if self._is_profiled:
            return diagonal - self._cross**2 / self._square[:, None]
        return diagonal if self.g.shape[1] == p else np.column_stack([diagonal, self._square])

    @property
    def _multipliers(self):
        """Of each entry of a diagonal, shape (m,)."""
        p, m = self.g.shape
        return np.where(np.arange(m) < p, self.multiplier, 1.0)

    @property
    def diagonal(self):
        """Diagonals of the blocks, shape (p, m)."""
        return self._multipliers * self._plain_diagonal

    def mean_block(self):
        """Mean of the blocks of the interactions over columns, without multiplier, shape (p, p)."""
        p = len(self.g)
        total = self.A.T @ (np.square(self.U).sum(axis=1)[:, None] * self.A)
        if self._is_profiled:
            total -= self._cross.T @ (self._cross / self._square[:, None])
        return total / p

    def shrunk(self, multiplier) -> RowForm:
        """The form with all but the diagonals of Γ divided by `multiplier`."""
        root = 1.0 / np.sqrt(multiplier)
        L = None if self.L is None else root * self.L
        return replace(self, U=root * self.U, L=L, multiplier=multiplier * self.multiplier)

    def product(self, theta):
        """Γ_jθ_j in row j, shape (p, m)."""
        p = len(self.g)
        R = self.U * (self.A @ theta[:, :p].T)
        if self._is_profiled:
            R -= self.L * ((self.L * R).sum(axis=0) / self._square)
        elif self.L is not None:
            R -= self.L * theta[:, p]
        out = (self.U * R).T @ self.A
        if theta.shape[1] > p:
            out = np.column_stack([out, -(self.L * R).sum(axis=0)])
        return out if self.multiplier == 1.0 else out + (self._multipliers - 1.0) * self._plain_diagonal * theta

    def block(self, j, kept=slice(None)):
        """Γ_j restricted to the entries `kept`, shape (k, k)."""
        p, m = self.g.shape
        kept = np.arange(m)[kept]
        F = self.U[:, j, None] * self.A[:, kept[kept < p]]
        if self._is_profiled:
            F -= np.outer(self.L[:, j] / self._square[j], self.L[:, j] @ F)
        elif kept[-1:] == p:  # η_j is the last entry
            F = np.column_stack([F, -self.L[:, j]])
        block = F.T @ F
        block[np.diag_indices_from(block)] *= self._multipliers[kept]
        return block

    def value(self, theta):
        """J(θ)."""
        return float(np.sum(theta * (0.5 * self.product(theta) - self.g))) + self.c

    def profile(self, kept):
        """The best η where the interactions are `kept` (p, p), shape (p, 1)."""
        return ((self.g[:, -1] + np.sum(self._cross * kept, axis=1)) / self._square)[:, None]

    def profiled(self) -> RowForm:
        """The form in the interactions alone, at the best η."""
        best = self.g[:, -1] / self._square
        own = self.g[:, :-1] + self._cross * best[:, None]
        return replace(self, g=own, c=self.c - 0.5 * float(self.g[:, -1] @ best))
