r"""The blocks of interactions in factored form: :math:`\Gamma_j = D_j^\top D_j` is applied but never formed.

Let A be the powers :math:`x^a` of n rows, and :math:`u_j, l_j` the derivatives of :math:`x_j^a` and :math:`x_j^b` times
the root of the sample weight and :math:`h_j`. The features of column j are :math:`D_j = (u_j \circ A,\; -l_j)`, so that
all columns at once take two matrix products,

.. math:: R = U \circ (AK) - L\,\mathrm{diag}(\eta), \qquad
          (\Gamma_jK_j)_{j} = A^\top(U \circ R), \qquad \operatorname{diag}\Gamma_j = (A^2)^\top u_j^2 .

Memory is O(np + p²) instead of p³. If η is profiled out, the projection on :math:`l_j` is subtracted from each column
of R.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy import ndarray

__all__ = ["RowForm"]


@dataclass(frozen=True)
class RowForm:
    """J = Σ_j ½ θ_jᵀΓ_jθ_j − g_jᵀθ_j + c for θ (p, m), whose row j is (K_j, η_j), or K_j alone.

    Parameters
    ----------
    A, U : ndarrays of shape (n, p)
        Powers, and their derivatives times the roots of the weights.
    L : ndarray of shape (n, p) or None
        Derivatives of the linear part times the same roots; None if η = 0.
    g : ndarray of shape (p, m)
        m is p + 1, or p if η is zero or profiled out.
    c : float
    n : float
        Total weight of the rows.
    multiplier : float, default=1.0
        Factor of the diagonals of Γ, except for the entries of η.
    ridges : ndarray of shape (m,), default=0.0
        Added to the diagonals of Γ after the multiplier.

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

    A: ndarray
    U: ndarray
    L: ndarray | None
    g: ndarray
    c: float
    n: float
    multiplier: float = 1.0
    ridges: float | ndarray = 0.0

    shared: ClassVar[bool] = False
    Gamma: ClassVar[None] = None

    def __add__(self, other: RowForm) -> RowForm:
        """Return the form of the rows of both."""
        n = self.n + other.n
        a, b = self.n / n, other.n / n
        U = np.concatenate([np.sqrt(a) * self.U, np.sqrt(b) * other.U])
        L = None if self.L is None else np.concatenate([np.sqrt(a) * self.L, np.sqrt(b) * other.L])
        return RowForm(np.concatenate([self.A, other.A]), U, L, a * self.g + b * other.g, a * self.c + b * other.c, n)

    @property
    def _is_profiled(self) -> bool:
        return self.L is not None and self.g.shape[1] == len(self.g)

    @property
    def _linear(self) -> ndarray:
        """L of a form with linear parameters."""
        if self.L is None:
            raise ValueError("this form has no linear parameters")
        return self.L

    @cached_property
    def _square(self) -> ndarray:
        """l_jᵀl_j, shape (p,)."""
        return np.square(self._linear).sum(axis=0)

    @cached_property
    def _cross(self) -> ndarray:
        """Aᵀ(u_j ∘ l_j) in row j, shape (p, p)."""
        return (self.U * self._linear).T @ self.A

    @cached_property
    def _plain_diagonal(self) -> ndarray:
        p = len(self.g)
        diagonal = np.square(self.U).T @ np.square(self.A)
        if self._is_profiled:
            return diagonal - self._cross**2 / self._square[:, None]
        return diagonal if self.g.shape[1] == p else np.column_stack([diagonal, self._square])

    @property
    def _multipliers(self) -> ndarray:
        """Multiplier of each entry of a diagonal, shape (m,)."""
        p, m = self.g.shape
        return np.where(np.arange(m) < p, self.multiplier, 1.0)

    @property
    def diagonal(self) -> ndarray:
        """Diagonals of the blocks, shape (p, m)."""
        return self._multipliers * self._plain_diagonal + self.ridges

    def mean_block(self) -> ndarray:
        """Return the mean over columns of the interactions' blocks, without multiplier and ridge, shape (p, p)."""
        p = len(self.g)
        total = self.A.T @ (np.square(self.U).sum(axis=1)[:, None] * self.A)
        if self._is_profiled:
            total -= self._cross.T @ (self._cross / self._square[:, None])
        return total / p

    def ridged(self, ridges: ndarray) -> RowForm:
        """Return the form with `ridges` (m,) added to the diagonals of Γ."""
        return replace(self, ridges=self.ridges + ridges)

    def shrunk(self, multiplier: float) -> RowForm:
        """Return the form with all entries of Γ except the diagonals divided by `multiplier`."""
        root = 1.0 / np.sqrt(multiplier)
        L = None if self.L is None else root * self.L
        return replace(self, U=root * self.U, L=L, multiplier=multiplier * self.multiplier)

    def product(self, theta: ndarray) -> ndarray:
        """Return Γ_jθ_j in row j, shape (p, m)."""
        p = len(self.g)
        R = self.U * (self.A @ theta[:, :p].T)
        if self._is_profiled:
            R -= self._linear * ((self._linear * R).sum(axis=0) / self._square)
        elif self.L is not None:
            R -= self.L * theta[:, p]
        out = (self.U * R).T @ self.A
        if theta.shape[1] > p:
            out = np.column_stack([out, -(self._linear * R).sum(axis=0)])
        if self.multiplier != 1.0:
            out += (self._multipliers - 1.0) * self._plain_diagonal * theta
        return out + self.ridges * theta

    def block(self, j: int, kept: slice | ndarray = slice(None)) -> ndarray:
        """Return Γ_j restricted to the entries `kept`, shape (k, k)."""
        p, m = self.g.shape
        kept = np.arange(m)[kept]
        F = self.U[:, j, None] * self.A[:, kept[kept < p]]
        if self._is_profiled:
            F -= np.outer(self._linear[:, j] / self._square[j], self._linear[:, j] @ F)
        elif kept[-1:] == p:  # η_j is the last entry
            F = np.column_stack([F, -self._linear[:, j]])
        block = F.T @ F
        diagonal = np.diag_indices_from(block)
        block[diagonal] = self._multipliers[kept] * block[diagonal] + np.broadcast_to(self.ridges, m)[kept]
        return block

    def value(self, theta: ndarray) -> float:
        """Return J(θ)."""
        return float(np.sum(theta * (0.5 * self.product(theta) - self.g))) + self.c

    def profile(self, kept: ndarray) -> ndarray:
        """Return the best η given the interactions `kept` (p, p), shape (p, 1)."""
        return ((self.g[:, -1] + np.sum(self._cross * kept, axis=1)) / self._square)[:, None]

    def profiled(self) -> RowForm:
        """Return the form in the interactions alone, at the best η."""
        best = self.g[:, -1] / self._square
        own = self.g[:, :-1] + self._cross * best[:, None]
        return replace(self, g=own, c=self.c - 0.5 * float(self.g[:, -1] @ best))
