r"""The density of targets v at given inputs u, by one integration rule for all of them.

With nodes :math:`v_j` and weights :math:`w_j` for the base measure, :math:`\int h(v)\, q_0(v)\,dv \approx \sum_j w_j
h(v_j)`, shared by all inputs, the tilts :math:`f(u_i, v_j)` are one product of matrices, and from their softmax follow

.. math:: \log Z(u_i) \approx \log \sum_j w_j e^{f(u_i, v_j)}, \qquad
          \pi_{ij} = \frac{w_j e^{f(u_i, v_j)}}{Z(u_i)}, \qquad E[v \mid u_i] \approx \sum_j \pi_{ij} v_j,

and draws: a node by its probability π, and a point in its cell. One or two targets take the trapezoidal rule, whose
error falls exponentially in the step for smooth integrands (Trefethen & Weideman, 2014); more take draws of the base
measure, where :math:`1 / \sum_j \pi_{ij}^2` of them are effective.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp, ndtri, softmax
from scipy.stats import qmc

from ..._kernels.threads import enough_for
from ...formulas.moments import row_blocks
from ...likelihood.standard_normal import log_standard_normal

__all__ = ["ConditionalDensity", "Nodes", "base_nodes", "chosen_nodes", "coarse_nodes"]

GRID_TARGETS = 2  # up to which the trapezoidal rule is affordable
MAX_NODES = 1 << 16
SETTLED = 1e-6  # nats: the change of log Z at which the step is small enough
N_DRAWS = 1 << 13
COARSE_DRAWS = 1 << 10
SMALLEST_SHARE = 1e-14
LOW_ESS = 0.05
BLOCK_BYTES = 1 << 24


class Nodes(NamedTuple):
    """Integration rule of the base measure: points (g, t), log weights (g,), width of a cell, 0 for draws; remarks."""

    points: np.ndarray
    log_weight: np.ndarray
    cell: float
    remarks: tuple[str, ...] = ()


def trapezoid(family, step):
    """Nodes at multiples of `step`, as far as the landmarks tilt the base measure and it has mass.

    The step is greater if there would be many more than `MAX_NODES`.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.kernels.conditional_kernel import ConditionalLiteFamily
    >>> from skscore.models.kernels.conditional_law import trapezoid
    >>> nodes = trapezoid(ConditionalLiteFamily(np.zeros((1, 2)), 1, 1.0, 1.0), step=0.5)
    >>> print(f"{np.exp(nodes.log_weight) @ nodes.points[:, 0] ** 2:.12f}")  # variance of N(0, 1)
    1.000000000000
    """
    t = family.targets.shape[1]
    reach = np.maximum(np.abs(family.targets).max(axis=0) + 6.0 * family.bandwidth, 8.0)
    step = max(step, 2.0 * (reach.prod() / MAX_NODES) ** (1.0 / t))
    axes = [step * np.arange(-np.ceil(r / step), np.ceil(r / step) + 1.0) for r in reach]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, t)
    return Nodes(points, log_standard_normal(points) + t * np.log(step), step)


def base_nodes(n_draws, n_targets, rng):
    """Nodes at quasi-random draws of N(0, I) (scrambled Sobol' points; Owen, 1998)."""
    points = ndtri(qmc.Sobol(n_targets, seed=rng).random(n_draws))
    return Nodes(points, np.full(n_draws, -np.log(n_draws)), 0.0)


def coarse_nodes(family, seed):
    """Nodes good enough to compare candidates."""
    if family.targets.shape[1] == 1:
        return trapezoid(family, min(family.bandwidth, 1.0) / 4.0)
    return base_nodes(COARSE_DRAWS, family.targets.shape[1], np.random.default_rng(seed))


def chosen_nodes(family, phi, seed):
    """Nodes for the density at φ: the step is halved until log Z converges at the inputs of the landmarks."""
    t = family.targets.shape[1]
    if t > GRID_TARGETS:
        return base_nodes(N_DRAWS, t, np.random.default_rng(seed))
    inputs = family.landmarks[:: max(1, len(family.landmarks) // 50), : family.n_inputs]
    nodes = trapezoid(family, min(family.bandwidth, 1.0) / 2.0)
    log_z, change = ConditionalDensity(family, phi, nodes).log_normalizer(inputs), np.inf
    while change > SETTLED and len(nodes.points) << t <= MAX_NODES:
        nodes = trapezoid(family, nodes.cell / 2.0)
        finer = ConditionalDensity(family, phi, nodes).log_normalizer(inputs)
        log_z, change = finer, np.abs(finer - log_z).max()
    nodes = nodes._replace(remarks=tuple(_coarseness(nodes, family.bandwidth)))
    return _of_some_mass(ConditionalDensity(family, phi, nodes), inputs)


def _coarseness(nodes, bandwidth):
    """Yield a remark if kernels, or the base measure, lie between the nodes."""
    if nodes.cell > min(bandwidth, 1.0):
        yield (
            f"the {len(nodes.points)} nodes that integrate over the targets are {nodes.cell:.3g} apart, too far for "
            f"bandwidth {bandwidth:.3g}: densities, means and samples are rough. Choose a bandwidth nearer to 1, which "
            "is the standard deviation of the residuals, or look for outliers among the targets."
        )


def _of_some_mass(law, inputs):
    """The nodes that have a share in the law of some input or in the base measure."""
    share = law.shares(inputs).max(axis=0)
    kept = np.maximum(share, np.exp(law.nodes.log_weight)) > SMALLEST_SHARE
    return law.nodes._replace(points=law.nodes.points[kept], log_weight=law.nodes.log_weight[kept])


class ConditionalDensity:
    """The normalised family at φ.

    Parameters
    ----------
    family : ConditionalLiteFamily
    phi : ndarray of shape (r,)
    nodes : Nodes
    """

    def __init__(self, family, phi, nodes):
        self.family, self.phi, self.nodes = family, phi, nodes
        self.theta = family.basis @ phi

    def _over_inputs(self, evaluate, U, nodes=None):
        """`evaluate` the log weights (n, g) of the tilted nodes, in blocks of inputs."""
        nodes = self.nodes if nodes is None else nodes
        K = self.family.target_kernel(nodes.points)
        blocks = row_blocks(len(U), 8 * len(K), BLOCK_BYTES)
        with enough_for(2.0 * len(U) * K.size):
            return np.concatenate(
                [evaluate((self.family.input_kernel(U[rows]) * self.theta) @ K.T + nodes.log_weight) for rows in blocks]
            )

    def log_normalizer(self, U):
        """log Z(u) of each input, shape (n,); equal inputs, as along a curve of v, are integrated once."""
        distinct, inverse = np.unique(U, axis=0, return_inverse=True)
        return self._over_inputs(lambda log_weight: logsumexp(log_weight, axis=1), distinct)[inverse]

    def log_density(self, rows):
        """log p(v | u) of joint rows (n, d + t), shape (n,)."""
        log_z = self.log_normalizer(rows[:, : self.family.n_inputs])
        return self.family.log_density(self.phi, rows) - log_z

    def shares(self, U):
        """π of each node for each input, shape (n, g)."""
        return self._over_inputs(lambda log_weight: softmax(log_weight, axis=1), U)

    def mean(self, U):
        """E[v | u] of each input, shape (n, t)."""
        return self._over_inputs(lambda log_weight: softmax(log_weight, axis=1) @ self.nodes.points, U)

    def sample(self, U, n_samples, rng):
        """Draws of v for each input, shape (n, n_samples, t); of more than two targets, fresh draws resampled."""
        nodes, t = self.nodes, self.nodes.points.shape[1]
        if nodes.cell == 0.0:
            nodes = base_nodes(N_DRAWS, t, rng)

        def draw(log_weight):
            cumulative = np.cumsum(softmax(log_weight, axis=1), axis=1)
            quantiles = rng.random((len(log_weight), n_samples)) * cumulative[:, -1:]
            chosen = [np.searchsorted(levels, quantile) for levels, quantile in zip(cumulative, quantiles, strict=True)]
            return nodes.points[np.array(chosen)] + nodes.cell * (rng.random((len(log_weight), n_samples, t)) - 0.5)

        return self._over_inputs(draw, U, nodes)

    def remarks(self, U):
        """What to know of the densities at the inputs U: whether draws of the base measure hardly meet one of them."""
        if self.nodes.cell > 0.0:
            return ()
        ess = self._over_inputs(lambda log_weight: 1.0 / (softmax(log_weight, axis=1) ** 2).sum(axis=1), U)
        share = ess / len(self.nodes.points)
        low = share < LOW_ESS
        remark = (
            f"{low.sum()} of {len(U)} inputs rest on few effective draws, at worst {100.0 * share.min():.2g} % of "
            f"{len(self.nodes.points)}: their densities, means and samples are rough. Choose a larger alpha or "
            "bandwidth, or fewer targets."
        )
        return (remark,) if low.any() else ()
