r"""Pairwise interaction densities, on R^d or a part of it.

.. math:: \log p(x) = -\frac{1}{2a}{x^a}^\top K x^a + \frac1b\eta^\top(x^b - 1) - \log Z(K, \eta),

with powers of each coordinate, of which 0 stands for the logarithm (1/a and 1/b are then 1). An entry
:math:`K_{ij} = 0` says that columns i and j are independent given the others, so K is a graph.

==========================  =======  =======
model                       a        b
==========================  =======  =======
(truncated) Gaussian        1        1
exponential square root     1/2      1/2
gamma                       1/2      0
log-log                     0        0
==========================  =======  =======

It is fitted by generalised score matching with a weight :math:`h_j` of the distance to the boundary along each
coordinate (Hyvärinen, 2007; Yu, Drton & Shojaie, 2019, 2022). On the simplex the last part gives way to each of the
others: derivatives are taken along :math:`e_j - e_d`.

References
----------
Yu, S., Drton, M., & Shojaie, A. (2019). Generalized score matching for non-negative data. JMLR, 20(76), 1-70.
Yu, S., Drton, M., & Shojaie, A. (2022). Generalized score matching for general domains. Information and Inference,
11(2), 739-780.
"""

from __future__ import annotations

from numbers import Real

import numpy as np

from ..._compat import Interval, StrOptions
from ...domains import Box, Orthant, Reals, Simplex
from ...domains.weights import WEIGHTS, BoundaryWeight
from ..family import Choice, Model
from ..objectives import Implicit
from .composition import CompositionFamily
from .family import PairwiseFamily
from .gaussian_family import GaussianInteractions

__all__ = ["PairwiseInteraction", "TruncatedGaussian"]

REALS, ORTHANT = Reals(), Orthant()
MULTIPLIERS = [Interval(Real, 1.0, None, closed="left"), StrOptions({"auto", "adaptive"})]


class PairwiseInteraction(Model):
    """Pairwise interactions of powers of the columns.

    Parameters
    ----------
    a, b : float, default=1.0
        Powers of the interactions and of the linear part; 0 for the logarithm. Columns of either sign need whole powers
        greater than 0; for others the domain is the orthant, or another with a boundary.
    centered : bool, default=False
        Leave out the linear part, η = 0.
    domain : domain of :mod:`skscore.domains`, default=Reals()
        Support.
    weight : str, weight of :mod:`skscore.domains` or None, default=None
        h, a function of the distance to the boundary along each coordinate. None is tanh(t/2σ) over its mean, with σ
        the standard deviation of the column, and 1 on R^d.
    diagonal_multiplier : float, "auto" or "adaptive", default=1.0
        Multiplies the diagonals of the quadratic form, after the linear part has been minimised over: a ridge in the
        units of each pair, without which fewer rows than columns leave the objective unbounded. "auto" is the value
        that the theory of the l1 penalty asks for, between 1 and 2. "adaptive" is as much of it as the noise in the
        form asks for, and K is not shrunk as a whole: under an l1 penalty, the form is divided by the multiplier, too,
        which leaves its diagonals; without one, on the simplex, and with a ``linear_penalty`` it is 1. Standard errors
        are those without a multiplier, and too large for pairs if it is far from 1.
    projection : "nearest" or None, default=None
        What to do if a = b = 1 on R^d and a sparse penalty leaves a K that is not positive definite, so that there is
        no density: None keeps K and warns. "nearest" takes the nearest matrix in the Frobenius norm, in the units of X,
        whose eigenvalues are at least 1e-4 of the largest; it has no zeros, so read the graph off a fit without it.
    linear_penalty : float, default=0.0
        τ: the sparse part of the penalty is Σ ``|K_ij|`` + τ Σ ``|η_j|``, with η about the origin of x^b. With τ > 0
        the ``diagonal_multiplier`` multiplies moments about the origin, too.
    log_ratios : bool, default=False
        Let the rows of K sum to zero, for a = 0 on the simplex: the interactions are then
        ½ Σ_{i<j} K_ij log²(x_i/x_j), of log-ratios alone (Aitchison, 1986).

    References
    ----------
    Aitchison, J. (1986). The statistical analysis of compositional data. Chapman & Hall.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Orthant
    >>> from skscore.formulas.moments import Summary, moments
    >>> from skscore.models.objectives import Implicit
    >>> from skscore.models.interactions.pairwise import PairwiseInteraction
    >>> X = np.random.default_rng(0).exponential(0.5, size=(2000, 1))
    >>> family = PairwiseInteraction(a=0.5, b=0.5, domain=Orthant(), centered=True).family(moments(X))
    >>> statistics = Summary(moments(X), family.assemble(X, None, None, Implicit()))
    >>> family.solve(statistics, Implicit(), alpha=0.0).theta.round(1)  # exp(−Kx) with K = 2
    array([2.])
    """

    _parameter_constraints = {
        "a": [Interval(Real, 0.0, None, closed="left")],
        "b": [Interval(Real, 0.0, None, closed="left")],
        "centered": ["boolean"],
        "domain": [Reals],
        "weight": [StrOptions(set(WEIGHTS)), BoundaryWeight, None],
        "diagonal_multiplier": MULTIPLIERS,
        "projection": [StrOptions({"nearest"}), None],
        "linear_penalty": [Interval(Real, 0.0, None, closed="left")],
        "log_ratios": ["boolean"],
    }

    diagonal_multiplier: float | str | None  # None, of the subclass, depends on the weight

    def __init__(
        self,
        a: float = 1.0,
        b: float = 1.0,
        centered: bool = False,
        domain: Reals = REALS,
        weight: str | BoundaryWeight | None = None,
        diagonal_multiplier: float | str = 1.0,
        projection: str | None = None,
        linear_penalty: float = 0.0,
        log_ratios: bool = False,
    ) -> None:
        self.a = a
        self.b = b
        self.centered = centered
        self.domain = domain
        self.weight = weight
        self.diagonal_multiplier = diagonal_multiplier
        self.projection = projection
        self.linear_penalty = linear_penalty
        self.log_ratios = log_ratios

    @property
    def is_gaussian(self):
        """Whether K is the precision matrix of a Gaussian on R^d, whatever the weight of its rows."""
        return self.a == self.b == 1.0 and not self.domain.has_boundary

    @classmethod
    def examples(cls):
        """On all of R^d and on a part of it, with a linear part and without."""
        return [cls(), cls(2.0, 1.0, centered=True), cls(0.5, 0.5, domain=ORTHANT)]

    @property
    def _is_of_moments(self):
        return self.is_gaussian and self.weight is None

    def adds_up(self, objective):
        """Whether moments are enough."""
        return self._is_of_moments and type(objective) is Implicit

    def family(self, moments):
        """Family bound to a table with these moments."""
        if isinstance(self.domain, Simplex):
            return CompositionFamily(self, moments)
        return (GaussianInteractions if self._is_of_moments else PairwiseFamily)(self, moments)

    def choose(self, sample, objective, alpha, criterion):
        """Family and ridge for a table: a weight capped at quantiles takes them from the first rows."""
        if self.log_ratios and not (self.a == 0.0 and isinstance(self.domain, Simplex)):
            raise ValueError(
                f"{type(self).__name__}: log_ratios=True with a={self.a} on {self.domain}: log-ratios are of "
                "parts of a composition. Set a=0 and domain=Simplex(), or log_ratios=False."
            )
        whole = all(power > 0.0 and power == int(power) for power in (self.a, self.b))
        if not whole and (negative := np.flatnonzero((sample.X <= 0.0).any(axis=0))).size:
            raise ValueError(
                f"{type(self).__name__}: a={self.a}, b={self.b} with values of X at or below 0 in columns "
                f"{negative.tolist()}. Such values need whole powers greater than 0; or drop these rows."
            )
        if not (whole or self.domain.has_boundary):
            raise ValueError(
                f"{type(self).__name__}: a={self.a}, b={self.b} with domain={self.domain}: powers that are not whole "
                "numbers greater than 0 have no values below 0, and score matching has to know of that boundary. Set "
                "domain=Orthant(), or choose whole powers."
            )
        chosen = super().choose(sample, objective, alpha, criterion)
        return Choice(chosen.family.with_weight_fitted(sample.X, sample.weight), chosen.alpha)


class TruncatedGaussian(PairwiseInteraction):
    """Gaussian restricted to a domain: a = b = 1, so that K is the precision matrix and η = Kμ.

    Parameters
    ----------
    domain : domain of :mod:`skscore.domains`, default=Orthant()
        Support.
    weight : str, weight of :mod:`skscore.domains` or None, default=None
        As in `PairwiseInteraction`.
    centered : bool, default=False
        Leave out the linear part: a mean of 0 before truncation.
    diagonal_multiplier : float, "auto", "adaptive" or None, default=None
        As in `PairwiseInteraction`. None is "adaptive", and 1 with a weight of your own.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.moments import Summary, moments
    >>> from skscore.models.objectives import Implicit
    >>> from skscore.models.interactions.pairwise import TruncatedGaussian
    >>> X = np.abs(np.random.default_rng(0).standard_normal((4000, 1)))
    >>> family = TruncatedGaussian(centered=True).family(moments(X))
    >>> statistics = Summary(moments(X), family.assemble(X, None, None, Implicit()))
    >>> family.attributes(family.solve(statistics, Implicit(), alpha=0.0).theta)["precision"].round(1)
    array([[1.]])
    """

    a = b = 1.0
    projection, linear_penalty, log_ratios = None, 0.0, False
    _parameter_constraints = {
        name: PairwiseInteraction._parameter_constraints[name] for name in ("domain", "weight", "centered")
    }
    _parameter_constraints["diagonal_multiplier"] = [*MULTIPLIERS, None]

    def __init__(
        self,
        domain: Reals = ORTHANT,
        weight: str | BoundaryWeight | None = None,
        centered: bool = False,
        diagonal_multiplier: float | str | None = None,
    ) -> None:
        self.domain = domain
        self.weight = weight
        self.centered = centered
        self.diagonal_multiplier = diagonal_multiplier

    @classmethod
    def examples(cls):
        """On domains whose boundary is near and far."""
        return [cls(), cls(Box(-1.0, 30.0), weight="tanh")]
