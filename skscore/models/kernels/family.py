"""Kernels in the coordinates that suit a table: from functions of y to a family of densities of x."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np

from ..._compat import is_numpy, to_numpy
from ...fitting.ridge_path import RidgePath
from ...fitting.solvers import Estimate
from ...maps.mapped_rows import MappedRows
from ..base import GaussianBase, MappedBase
from ..family import Family
from .lite import LiteFamily
from .placed_kernels import PlacedKernels, form_beside, placed

__all__ = ["KernelFamily", "assemble_over_bases"]

ROWS_WITHOUT_RIDGE = 100  # for each function, below which the score follows the noise of the rows


class KernelFamily(Family):
    """Kernels in coordinates y of the rows x, in which the objective is measured too.

    Parameters
    ----------
    inner : LiteFamily or another basis of kernels
        The family of the coordinates.
    coordinates : Affine
        From x to y.
    bandwidth, base_scale, smoothing : float or ndarray
        For the record.
    """

    def __init__(self, inner, coordinates, bandwidth, base_scale, smoothing):
        self.inner, self.coordinates = inner, coordinates
        self.bandwidth, self.base_scale, self.smoothing = bandwidth, base_scale, smoothing
        self.base = MappedBase(inner.base, coordinates)
        self.n_parameters = inner.n_parameters

    # ---- T and its derivatives -------------------------------------------------------------------

    def statistics(self, X):
        """T(x) of each row, shape (n, r)."""
        return self.inner.statistics(self.coordinates.forward(X))

    def jacobian(self, X):
        """∂T/∂x of each row, shape (n, r, d)."""
        return self.inner.jacobian(self.coordinates.forward(X)) @ self.coordinates.matrix.T

    def laplacian(self, X):
        """ΔT(x) of each row, shape (n, r)."""
        Y = self.coordinates.forward(X)
        return sum(self.inner.statistics_curvature(Y, axis) for axis in self.coordinates.matrix)

    def statistics_curvature(self, X, V):
        """vᵀ∇²T(x)v of each row, shape (n, r), for directions V of shape (d,) or (n, d)."""
        return self.inner.statistics_curvature(self.coordinates.forward(X), self.coordinates.pushforward(X, V))

    # ---- from rows to θ --------------------------------------------------------------------------

    def assemble(self, X, Y, weight, objective):
        """Quadratic form, in the coordinates of the kernels unless the objective is one in the units of X."""
        if not is_numpy(X):
            if isinstance(self.inner, LiteFamily) and self.inner.knows(objective):
                return form_beside(self.inner, self.coordinates, X, weight)
            X, weight = to_numpy(X), to_numpy(weight)
        if objective.in_units_of_X:
            return super().assemble(X, Y, weight, objective)
        scores = None if Y is None else MappedRows(Y, self._push_score)
        return self.inner.assemble(MappedRows(X, self.coordinates.forward), scores, weight, objective)

    def own_coordinates(self, X, Y):
        """Rows and known scores in the coordinates of the kernels."""
        return self.coordinates.forward(X), None if Y is None else self._push_score(Y)

    def _push_score(self, Y):
        return self.coordinates.push_score(None, Y)

    def blurred(self, sigma):
        """A Gaussian base is widened by the noise; a Student t, whose tails outweigh it, and a flat one stay."""
        noisy, A = copy(self), self.coordinates.matrix
        if isinstance(getattr(self.inner.base, "law", None), GaussianBase):
            noisy.inner = copy(self.inner)
            noisy.inner.base = self.inner.base.blurred(sigma**2 * A.T @ A)
            noisy.base = MappedBase(noisy.inner.base, self.coordinates)
        return noisy

    def solve(self, statistics, objective, alpha):
        """φ of least objective plus ridge."""
        n = statistics.moments.n
        if alpha > 0.0:
            return Estimate(RidgePath(self.form(statistics, objective)).thetas([alpha])[0])  # as it was chosen
        estimate = super().solve(statistics, objective, alpha)
        if n >= ROWS_WITHOUT_RIDGE * self.n_parameters:
            return estimate
        remark = (
            f"{self.n_parameters} functions, {n:g} rows and alpha=0: without a ridge the density follows the noise "
            'of these rows. Leave alpha="auto", or lower n_landmarks.'
        )
        return estimate._replace(remarks=(remark, *estimate.remarks))

    # ---- the density at φ ------------------------------------------------------------------------

    def evaluator(self, X):
        """The family beside rows: kernels are computed in their library, and other functions in numpy."""
        if is_numpy(X) or not isinstance(self.inner, LiteFamily):
            return super().evaluator(X)
        twin = copy(self)
        twin.inner, twin.coordinates = PlacedKernels(self.inner, X), placed(self.coordinates, X)
        return twin

    def log_density(self, phi, X):
        """log q₀ + f of each row, shape (n,)."""
        return self.inner.log_density(phi, self.coordinates.forward(X)) + self.coordinates.log_abs_det

    def score(self, phi, X):
        """∇ₓ log p of each row, shape (n, d)."""
        return self.coordinates.pull_score(X, self.inner.score(phi, self.coordinates.forward(X)))

    def divergence(self, phi, X):
        """Δ log p of each row, shape (n,)."""
        return self.inner.traced_curvature(phi, self.coordinates.forward(X), self.coordinates.matrix)

    def curvature(self, phi, X, V):
        """vᵀ ∇² log p(x) v of each row, shape (n,)."""
        return self.inner.curvature(phi, self.coordinates.forward(X), self.coordinates.pushforward(X, V))

    def infinite_mass(self, phi):
        """A flat base measure has infinite mass."""
        if self.inner.base.is_flat:
            return (
                "with base=None its density does not fall off away from the rows, where every kernel is zero. "
                'Set base="gaussian" or "student"'
            )
        return None

    def log_mass_of_a_mode(self, phi):
        """Of the greatest mode at a landmark, by Laplace's method with no more than the volume of a kernel.

        The mean curvature stands for all, as a determinant is at most the power of the mean eigenvalue.
        """
        landmarks, precision = getattr(self.inner, "landmarks", None), np.mean(np.asarray(self.bandwidth) ** -2.0)
        if landmarks is None:
            return -np.inf
        curvature = np.maximum(-self.inner.divergence(phi, landmarks) / landmarks.shape[1], precision)
        volume = 0.5 * landmarks.shape[1] * np.log(2.0 * np.pi / curvature)
        return float((self.inner.log_density(phi, landmarks) + volume).max())

    def report_matrix(self):
        """The basis, of which θ are the coefficients."""
        return self.inner.basis

    def row_gradients(self, phi, X, Y, objective):
        """ψ of each row, in the coordinates of the kernels."""
        if objective.in_units_of_X:
            return super().row_gradients(phi, X, Y, objective)
        return self.inner.row_gradients(phi, *self.own_coordinates(X, Y), objective)

    def attributes(self, phi):
        """θ and what it belongs to; kernels in the units of X have standard deviations along its columns."""
        chosen = {name: getattr(self, name) for name in ("bandwidth", "base_scale", "smoothing")}
        widths = np.broadcast_to(self.bandwidth, len(self.coordinates.matrix))
        chosen["column_bandwidths"] = np.linalg.norm(widths[:, None] * self.coordinates.inverted.matrix, axis=0)
        reported, landmarks = {"theta": self.inner.basis @ phi, **chosen}, getattr(self.inner, "landmarks", None)
        return reported if landmarks is None else reported | {"landmarks": self.coordinates.inverse(landmarks)}


def assemble_over_bases(families, X, Y, weight, objective):
    """Quadratic forms of families that differ in their base measures alone, and so share Γ.

    Parameters
    ----------
    families : list of KernelFamily
    X, Y, weight, objective
        As of ``KernelFamily.assemble``.

    Returns
    -------
    list of QuadraticForm
    """
    first, *others = families
    form = first.assemble(X, Y, weight, objective)
    if not (others and isinstance(first.inner, LiteFamily) and first.inner.knows(objective)):
        return [form, *(family.assemble(X, Y, weight, objective) for family in others)]
    parts = first.inner.linear_forms(first.coordinates.forward(X), weight, [family.inner for family in others])
    return [form, *(replace(form, g=g, c=float(c)) for g, c in zip(*parts, strict=True))]
