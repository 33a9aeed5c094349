r"""A mixture of kernel densities, for modes that no row connects: :math:`p(x) = \sum_c \pi_c\, p_c(x)`.

The score of two separated modes is the same whatever their weights, up to a region in which there are no rows: score
matching cannot tell them (Wenliang & Kanagawa, 2020). Clusters of rows can. Each density is fitted to the rows of one
cluster, weighted by their responsibilities under the clusters' Gaussians, and :math:`\pi_c` is the cluster's share.
With the posterior :math:`r_c(x) = \pi_c\,p_c(x)/p(x)`,

.. math::

   \nabla\log p = \sum_c r_c\, s_c, \qquad
   \nabla^2\log p = \sum_c r_c\,(H_c + s_c s_c^\top) - \nabla\log p\,\nabla\log p^\top .

References
----------
Wenliang, L. K., & Kanagawa, H. (2020). Blindness of score-based methods to isolated components and mixing proportions.
arXiv:2008.10087.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp, softmax
from sklearn.base import clone
from sklearn.cluster import KMeans

from ...fitting.solvers import Estimate
from ...formulas.moments import Summary, moments
from ...likelihood import LogNormalizer
from ...maps.affine import Affine
from ...samplers.chains import Sampled
from ..base import GaussianBase, MappedBase
from ..family import Choice, Family, Sample
from ..fitted_density import FittedDensity
from ..folds import group_rows, merge_equal

__all__ = ["KernelMixtureFamily", "choose_mixture"]

MIN_RESPONSIBILITY = 1e-6  # below which a row does not belong to a cluster


def _clusters(sample, n_clusters):
    """Gaussians of k-means clusters of the whitened rows, and the logarithms of their shares (k,)."""
    whitening = Affine.whitening(sample.moments)
    merged = merge_equal(sample, group_rows(sample.X, whitening.forward(sample.X)))
    rows, weight = whitening.forward(merged.X), merged.weight
    if len(rows) < n_clusters:
        raise ValueError(f"Kernel: n_components={n_clusters} needs as many different rows; X has {len(rows)}.")
    label = KMeans(n_clusters, n_init=10, random_state=0).fit(rows, sample_weight=weight).labels_
    tables = [moments(rows[label == c], weight[label == c]) for c in range(n_clusters)]
    laws = [MappedBase(GaussianBase(), Affine.whitening(table).after(whitening)) for table in tables]
    share = np.array([table.n for table in tables])
    return laws, np.log(share / share.sum())


def _members(clusters, X, Y, weight) -> Iterator[tuple[np.ndarray, np.ndarray | None, np.ndarray]]:
    """Rows of each cluster with their scores and weights."""
    laws, log_share = clusters
    R = softmax(np.column_stack([law.log_density(X) for law in laws]) + log_share, axis=1)  # their responsibilities
    R = R if weight is None else R * weight[:, None]
    for r in R.T:
        rows = r > MIN_RESPONSIBILITY
        yield X[rows], None if Y is None else Y[rows], r[rows]


def choose_mixture(model, sample, objective, alpha, criterion):
    """Choose one family for each cluster; see ``Model.choose``."""
    if model.base is None:
        raise ValueError('Kernel: n_components > 1 mixes densities, and base=None has none. Set base="gaussian".')
    clusters, single = _clusters(sample, model.n_components), clone(model).set_params(n_components=1)
    parts = [Sample(*member, moments(member[0], member[2])) for member in _members(clusters, *sample[:3])]
    chosen = [single.choose(part, objective, alpha, criterion) for part in parts]
    family = KernelMixtureFamily(clusters, [part.family for part in chosen], [part.moments for part in parts])
    results, remarks = _stacked([part.results for part in chosen]), _remarks(chosen)
    return Choice(family, np.array([part.alpha for part in chosen]), results, remarks)


def _remarks(reports):
    """What was remarked on any of the parts."""
    return tuple(chain.from_iterable(report.remarks for report in reports))


def _stacked(tables):
    """Tables of the components under each other, with a column that counts them; None if none had a choice."""
    tried = [(c, table) for c, table in enumerate(tables) if table is not None]
    if not tried:
        return None
    component = np.concatenate([np.full(len(table["param_alpha"]), c) for c, table in tried])
    columns = {name: np.concatenate([table[name] for _, table in tried]) for name in tried[0][1]}
    return {"component": component, **columns}


class FormsOfParts(tuple):
    """Quadratic forms, one for each component."""

    def __add__(self, other):
        return FormsOfParts(a + b for a, b in zip(self, other, strict=True))


class Mixture(NamedTuple):
    """Fitted densities of the components and the logarithms of their weights: the θ of a mixture."""

    laws: list
    log_weight: np.ndarray

    def log_densities(self, X):
        """log π_c + log p_c of each row, shape (n, k)."""
        return np.column_stack([law.log_density(X) for law in self.laws]) + self.log_weight


class KernelMixtureFamily(Family):
    """Mixture of kernel families; its θ is a Mixture.

    Parameters
    ----------
    clusters : (list of MappedBase, ndarray of shape (k,))
        Their Gaussians, and the logarithms of their shares.
    parts : list of KernelFamily
    tables : list of Moments
        Of the rows of each cluster.
    """

    def __init__(self, clusters, parts, tables):
        self.clusters, self.parts, self.tables = clusters, parts, tables
        self.n_parameters = sum(part.n_parameters for part in parts)

    def assemble(self, X, Y, weight, objective):
        """Quadratic forms of the parts."""
        members = _members(self.clusters, X, Y, weight)
        return FormsOfParts(part.assemble(*member, objective) for part, member in zip(self.parts, members, strict=True))

    def assemble_ladder(self, X, weight, levels):
        """Refused: a mixture has no quadratic form."""
        raise ValueError(
            "Kernel: n_components > 1 has no ladder of noise levels; fit it with ScoreMatchingDensity, or set "
            "n_components=1."
        )

    def solve(self, statistics, objective, alpha):
        """The mixture of the solutions of the parts."""
        estimates = [
            part.solve(Summary(table, form), objective, ridge)
            for part, form, table, ridge in zip(self.parts, statistics.form, self.tables, alpha, strict=True)
        ]
        laws = [
            FittedDensity(part, estimate.theta, table, 0, "Kernel")
            for part, estimate, table in zip(self.parts, estimates, self.tables, strict=True)
        ]
        share = np.array([form.n for form in statistics.form])
        return Estimate(Mixture(laws, np.log(share / share.sum())), _remarks(estimates))

    def objective_value(self, mixture, statistics, objective):
        """Mean of the objectives of the parts, weighted by their shares."""
        values = [form.value(law.theta) for form, law in zip(statistics.form, mixture.laws, strict=True)]
        return float(np.exp(mixture.log_weight) @ values)

    # ---- the density -----------------------------------------------------------------------------

    def log_density(self, mixture, X):
        """log p of each row, shape (n,), normalised."""
        return logsumexp(mixture.log_densities(X), axis=1)

    def _posterior_and_scores(self, mixture, X):
        scores = [part.score(law.theta, X) for part, law in zip(self.parts, mixture.laws, strict=True)]
        return softmax(mixture.log_densities(X), axis=1).T, np.stack(scores)

    def score(self, mixture, X):
        """∇ₓ log p of each row, shape (n, d)."""
        return np.einsum("kn,knd->nd", *self._posterior_and_scores(mixture, X))

    def divergence(self, mixture, X):
        """Δ log p of each row, shape (n,)."""
        r, s = self._posterior_and_scores(mixture, X)
        H = np.stack([part.divergence(law.theta, X) for part, law in zip(self.parts, mixture.laws, strict=True)])
        along = (r[:, :, None] * s).sum(axis=0)
        return (r * (H + (s**2).sum(axis=2))).sum(axis=0) - (along**2).sum(axis=1)

    def curvature(self, mixture, X, V):
        """vᵀ ∇² log p(x) v of each row, shape (n,)."""
        r, s = self._posterior_and_scores(mixture, X)
        pairs = zip(self.parts, mixture.laws, strict=True)
        H = np.stack([part.curvature(law.theta, X, V) for part, law in pairs])
        slopes = (s * V).sum(axis=2)
        return (r * (H + slopes**2)).sum(axis=0) - (r * slopes).sum(axis=0) ** 2

    def log_normalizer(self, mixture):
        """0, as the parts are normalised, with the largest error of theirs."""
        parts = [law.log_normalizer() for law in mixture.laws]
        stderr, ess = max(part.stderr for part in parts), min(part.ess for part in parts)
        return LogNormalizer(0.0, stderr, ess)

    def log_mass_of_a_mode(self, mixture):
        """Of the greatest of the parts, each as a share of the mass that was found of it."""
        masses = [law.family.log_mass_of_a_mode(law.theta) - law.log_normalizer().log_z for law in mixture.laws]
        return float((masses + mixture.log_weight).max())

    def sample(self, mixture, n_samples, rng):
        """Draws of the parts, in the numbers that their weights make, in random order."""
        counts = rng.multinomial(n_samples, np.exp(mixture.log_weight))
        pairs = zip(mixture.laws, counts, strict=True)
        drawn = [law.sample(count, "hmc", rng) for law, count in pairs if count]
        rows = np.concatenate([part.rows for part in drawn])
        return Sampled(rng.permutation(rows), remarks=_remarks(drawn))

    def attributes(self, mixture):
        """Weights of the components, and what each has."""
        parts = [part.attributes(law.theta) for part, law in zip(self.parts, mixture.laws, strict=True)]
        names = ("bandwidth", "column_bandwidths", "base_scale", "smoothing")
        numbers = {name: np.array([part[name] for part in parts]) for name in names}
        arrays = {name: [part[name] for part in parts] for name in ("theta", "landmarks") if name in parts[0]}
        return {"weights": np.exp(mixture.log_weight), **numbers, **arrays}
