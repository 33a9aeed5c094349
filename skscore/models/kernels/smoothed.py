r"""Kernels fitted to rows that are seen through Gaussian noise, of which the objective is the exact mean.

Hyvärinen's objective looks at the rows alone, and if they are few it follows their noise. Rows with noise have the
Parzen density of the table: score matching to it (Vincent, 2011, eq. 7) has less variance, at the price of a bias.
Without noise it is Hyvärinen's; with kernels enough and no ridge it ends at the kernel density estimate.

The noise ε has the shape of the kernels, :math:`N(0, \nu P^{-1})`: :math:`\sqrt\nu` of their bandwidth along each
direction. Products of Gaussians being Gaussians, with :math:`\rho = 1/(1 + 2\nu)`, :math:`\eta = 1/(1 + \nu)`, kernels
u of the metric ρP and v of the metric ηP, and a base measure of affine score b with slope H,

.. math::

   E[\nabla k_a\cdot\nabla k_b](x + \varepsilon) &= c_{ab}\,(\nabla u_a\cdot\nabla u_b + e_{ab}\,u_a u_b), \\
   E[\Delta k_a + \nabla k_a\cdot b](x + \varepsilon) &= \eta^{d/2}\bigl(\operatorname{tr}[F\,\nabla^2 v_a]
      + \nabla v_a\cdot b\bigr), \qquad F = I + \tfrac\nu2(HP^{-1} + P^{-1}H),

   c_{ab} = \rho^{d/2} e^{-\frac{1 - \rho}4 \|p_a - p_b\|^2}, \qquad
   e_{ab} = \tfrac{1 - \rho}2 \operatorname{tr} P - \tfrac{1 - \rho^2}4 \|q_a - q_b\|^2 .

``docs/user_guide/kernel.rst`` derives them. Sums over rows take the products of matrices that they take without noise.

References
----------
Vincent, P. (2011). A connection between score matching and denoising autoencoders. Neural Computation, 23(7),
1661-1674.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
from scipy.spatial.distance import cdist

from ..._compat import beside, get_namespace
from .lite import LiteFamily
from .slope_sums import PolarProducts

__all__ = ["SmoothedFamily"]


class SmoothedFamily(LiteFamily):
    """Kernels at given landmarks, of which the implicit objective is that of rows with noise.

    Parameters
    ----------
    landmarks, factor, basis, base, **parameters
        As of a LiteFamily; the score of the base measure is affine.
    noise : float
        ν > 0: the covariance of the noise, in units of that of the kernels.
    nugget : float, default=0.0
        δ of a ridge (δ/2)‖θ‖² on the coefficients of the kernels, which outweighs the rounding of those that cancel.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models import GaussianBase
    >>> from skscore.models.objectives import Implicit
    >>> from skscore.models.kernels.smoothed import SmoothedFamily
    >>> family = SmoothedFamily(np.zeros((1, 1)), np.eye(1), np.eye(1), GaussianBase(), noise=0.5)
    >>> z = np.linspace(-6.0, 6.0, 1001)  # one row at 1, and the mean over its noise by quadrature
    >>> x, density = 1.0 + np.sqrt(0.5) * z, np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    >>> mean = np.trapezoid(density * (x * np.exp(-(x**2) / 2)) ** 2, z)
    >>> bool(np.isclose(family.assemble(np.ones((1, 1)), None, None, Implicit()).Gamma, mean))
    True
    """

    def __init__(self, landmarks, factor, basis, base, noise, nugget=0.0, **parameters):
        super().__init__(landmarks, factor, basis, base, **parameters)
        self.nugget, d = nugget, len(factor)
        self.rho, self.eta = 1.0 / (1.0 + 2.0 * noise), 1.0 / (1.0 + noise)
        self.u, self.v = (
            LiteFamily(landmarks, np.sqrt(share) * factor, basis, base, **parameters) for share in (self.rho, self.eta)
        )
        H = _slope(base, d)
        twisted = H @ np.linalg.inv(self.metric)
        F = np.eye(d) + 0.5 * noise * (twisted + twisted.T)
        self.M, self.trace_F = self.metric @ F @ self.metric, float(np.trace(self.metric @ F))
        self.surplus = 0.5 * noise * float(np.trace(twisted @ H))  # of ½E‖b‖² over its value at the row

    # ---- factors that do not depend on rows ------------------------------------------------------

    @cached_property
    def shares(self):
        """c_ab, shape (m, m)."""
        return self.rho ** (0.5 * len(self.factor)) * np.exp(
            -0.25 * (1.0 - self.rho) * cdist(self.p, self.p, "sqeuclidean")
        )

    @cached_property
    def excess(self):
        """e_ab − ½ρ²‖q_a − q_b‖²: the factor of u_a u_b beside the products of slopes ½(M + Mᵀ), shape (m, m)."""
        D = cdist(self.q, self.q, "sqeuclidean")
        return 0.5 * (1.0 - self.rho) * self.trace - 0.25 * (1.0 + self.rho**2) * D

    @cached_property
    def polynomials(self):
        """Coefficients, for each landmark, of the `monomials` of a row, shape (m, d + 2)."""
        z = self.landmarks - self.centre
        constant = self.eta**2 * np.einsum("ai,ij,aj->a", z, self.M, z) - self.eta * self.trace_F
        return self.eta ** (0.5 * len(self.factor)) * np.column_stack([constant, z, np.ones(len(z))])

    def monomials(self, X, b):
        """What the linear part is a sum of: v_a times a polynomial of the row, shape (n, d + 2)."""
        xp, _ = get_namespace(X)
        x, pull = X - beside(X, self.centre), self.eta * b @ beside(X, self.metric)
        bend = self.eta**2 * x @ beside(X, self.M)
        along = xp.sum(x * (bend - pull), axis=1)
        return xp.concat([xp.ones_like(x[:, :1]), pull - 2.0 * bend, along[:, None]], axis=1)

    # ---- from rows to the quadratic form ---------------------------------------------------------

    def kernels_cancel(self, n_rows):
        """False: means over noise keep kernels, however few the rows."""
        return False

    def form_of_sums(self, sums, constant, n):
        """Quadratic form of the implicit objective, a mean over noise, with the ridge on the coefficients."""
        form = super().form_of_sums(sums, constant, n)
        return replace(form, Gamma=form.Gamma + self.safeguard)

    @cached_property
    def safeguard(self):
        """Γ of (δ/2)‖θ‖², shape (r, r)."""
        return self.nugget * self.basis.T @ self.basis

    def _linear(self, X, pulls, weight, families):
        V = self.v._kernel(self.v._coordinates(X)[0]).T
        sums = (V @ (weight[:, None] * f.monomials(X, b)) for f, b in zip(families, pulls, strict=True))
        return [np.einsum("aj,aj->a", f.polynomials, total) for f, total in zip(families, sums, strict=True)]

    def empty_sums(self, block_rows):
        """Sums of products over no rows yet, which are to come in blocks of at most so many."""
        u, shape = self.u, self.polynomials.shape
        return PolarProducts(u.q, u.trace, block_rows, self.dtype, linear=shape)

    def _add(self, sums, X, b, root):
        K, KS = sums.tables(len(X))
        self.u._kernel_and_square(*self.u._coordinates(X), root, (K, KS))
        sums.multiply()
        V = self.v._kernel(self.v._coordinates(X)[0], root * root, KS)
        sums.linear += V.T @ self.monomials(X, b)

    def _slopes_and_linear(self, sums):
        slopes = self.shares * (sums.symmetric + self.excess * sums.products)
        return slopes, np.einsum("aj,aj->a", self.polynomials, sums.linear)

    def row_gradients(self, phi, X, Y, objective):
        """ψ = Γφ − g of each row's own form, shape (n, r)."""
        if not self.knows(objective):
            return super().row_gradients(phi, X, Y, objective)
        return self._blockwise(lambda B: self._gradients(self.basis @ phi, B), X) + self.safeguard @ phi

    def _gradients(self, theta, X):
        """Σ_b c_ab θ_b (∇u_a·∇u_b + e_ab u_a u_b) + ℓ_a, by ∇u_a·∇u_b = ½(S_a + S_b − ρ²D_ab) u_a u_b."""
        K, KS = self.u._kernel_and_square(*self.u._coordinates(X))
        weighted = (self.shares * theta).T
        quadratic = 0.5 * (KS * (K @ weighted) + K * (KS @ weighted)) + K * (K @ (self.excess * weighted))
        V = self.v._kernel(self.v._coordinates(X)[0])
        linear = V * (self.monomials(X, self.base.score(X)) @ self.polynomials.T)
        return (quadratic + linear) @ self.basis


def _slope(base, d):
    """H of a base measure whose score is affine, from vᵀHv along the axes and between them."""
    axes = np.eye(d)
    pairs = (axes[:, None] + axes).reshape(-1, d)
    along = base.curvature(np.zeros_like(pairs), pairs).reshape(d, d)
    own = 0.25 * np.diag(along)  # of 2a: four times aᵀHa
    return 0.5 * (along - own[:, None] - own)
