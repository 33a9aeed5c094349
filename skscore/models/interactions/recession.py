r"""Whether a pairwise interaction density can have finite mass: its form in the directions that leave every bound.

With :math:`y = x^a` (or log x) the density falls like :math:`\exp(-y^\top Ky/2)`. Its mass is finite if K is
positive along every direction in which y is unbounded: a free coordinate may go both ways, another one way only. The
free coordinates are minimised over, which asks for a positive definite block and leaves its Schur complement; the
others ask that :math:`v^\top Mv > 0` for all v ≥ 0 (strict copositivity). To decide that is NP-hard (Murty &
Kabadi, 1987). Here M passes if it is positive definite, and fails if a 1 × 1 or 2 × 2 block is not strictly copositive,
:math:`M_{ij} \le -\sqrt{M_{ii}M_{jj}}`; in between nothing speaks against it.

On a domain that is no product, as a polytope :math:`Ax < b`, the directions are those of a cone Av ≤ 0, in which
projected gradients from the eigenvectors of K look for a :math:`v^\top Kv \le 0`.
"""

from __future__ import annotations

import numpy as np

from ...domains import Halfspaces

__all__ = ["infinite_mass_reason"]

CONE_STEPS = 30  # of projected gradients


def infinite_mass_reason(K, eta, a, b, domain):
    """Why exp(−x^aᵀK x^a/2a + ηᵀ(x^b − 1)/b) has no finite integral over a domain, or None.

    Parameters
    ----------
    K : ndarray of shape (p, p)
    eta : ndarray of shape (p,)
    a, b : float
    domain : Reals
        If it is no product of sets of the coordinates, nothing is said for a ≠ 1.

    Returns
    -------
    str or None

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Orthant, Reals
    >>> from skscore.models.interactions.recession import infinite_mass_reason
    >>> K = np.array([[1.0, 2.0], [2.0, 1.0]])
    >>> infinite_mass_reason(K, np.zeros(2), 1.0, 1.0, Orthant())
    >>> infinite_mass_reason(K, np.zeros(2), 1.0, 1.0, Reals())
    'the interaction matrix is not positive definite (smallest eigenvalue -1)'
    """
    if b == 2.0 * a > 0.0:  # both parts have x^2a of each column
        K = K - np.diag(eta)
    ends = domain.ends(len(eta))
    if ends is None:
        return _grows_in_cone(K, domain.recession_normals(len(eta))) if a == 1.0 else None
    lower, upper = ends
    if b == 0.0 and a > 0.0 and (poles := np.flatnonzero((lower == 0.0) & (eta <= -1.0))).size:
        return f"linear parameters of columns {poles.tolist()} are not above -1, so the density has a pole at 0"
    up, down = _unbounded(lower, upper, a)
    if b > 2.0 * a:  # the linear part outgrows the interactions
        if (growing := np.flatnonzero(up & (eta > 0.0))).size:
            return f"linear parameters of columns {growing.tolist()} are positive, and x^{b:g} outgrows x^{2 * a:g}"
        up = up & (eta == 0.0)
    return _not_copositive(K, up, down)


def _unbounded(lower, upper, a):
    """Which coordinates of y = x^a, or log x, have no upper and which no lower limit."""
    if a == 0.0:
        return np.isinf(upper), lower == 0.0
    odd = a % 2.0 == 1.0
    return np.isinf(upper) | (np.isinf(lower) & (not odd)), np.isinf(lower) & odd


def _not_copositive(K, up, down):
    """Why vᵀKv is not positive for all v ≠ 0 that are ≥ 0 if only `up`, ≤ 0 if only `down`, else 0."""
    free, ray = np.flatnonzero(up & down), np.flatnonzero(up ^ down)
    smallest = np.linalg.eigvalsh(_scaled(K[np.ix_(free, free)])).min(initial=np.inf)
    if smallest <= 0.0:
        return f"the interaction matrix is not positive definite (smallest eigenvalue {smallest:.3g})"
    sign, cross = np.where(up, 1.0, -1.0)[ray], K[np.ix_(free, ray)]
    M = K[np.ix_(ray, ray)] - cross.T @ np.linalg.solve(K[np.ix_(free, free)], cross)
    M = _scaled(M * np.outer(sign, sign))
    if np.linalg.eigvalsh(M).min(initial=np.inf) > 0.0:
        return None
    bad = np.argwhere(M <= np.where(np.eye(len(M), dtype=bool), 0.0, -1.0))
    if bad.size:
        return f"interactions of columns {sorted({int(ray[k]) for k in bad[0]})} let the density grow without bound"
    return None


def _grows_in_cone(K, A):
    """Why vᵀKv is not positive for all v ≠ 0 with A v ≤ 0, if such a v is found."""
    values, vectors = np.linalg.eigh(K)
    if values[0] > 0.0:
        return None
    cone = Halfspaces(A, np.zeros(len(A)))
    V = cone.project(np.vstack([vectors.T, -vectors.T]))
    for _ in range(CONE_STEPS):
        length = np.linalg.norm(V, axis=1, keepdims=True)
        V = V[length[:, 0] > 1e-6] / length[length[:, 0] > 1e-6]  # else only 0 is that way
        if (np.einsum("ni,ij,nj->n", V, K, V) <= 0.0).any():
            return "the density grows without bound along a direction that never leaves the domain"
        V = cone.project(V - V @ K / np.abs(values).max())
    return None


def _scaled(K):
    """K with a diagonal of ±1, which changes no sign of its quadratic form."""
    scale = np.sqrt(np.abs(np.diag(K)))
    scale = np.where(scale > 0.0, scale, 1.0)
    return K / np.outer(scale, scale)
