"""The interface of ``sklearn.covariance.EmpiricalCovariance``, for Gaussian models."""

from __future__ import annotations

from sklearn.covariance import EmpiricalCovariance
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..models.gaussian import Gaussian

__all__ = ["CovarianceSurface"]


def _check_gaussian(estimator):
    if not estimator._is_gaussian():
        raise AttributeError(f"only a Gaussian model has a covariance; this estimator has model={estimator.model!r}")
    return True


class CovarianceSurface:
    """Mixin: precision, Mahalanobis distances and covariance errors of a Gaussian model."""

    def _is_gaussian(self):
        return isinstance(self.model, Gaussian) or (isinstance(self.model, str) and self.model == "gaussian")

    def _as_empirical_covariance(self):
        surface = EmpiricalCovariance()
        surface.location_, surface.covariance_, surface.precision_ = self.location_, self.covariance_, self.precision_
        return surface

    @available_if(_check_gaussian)
    def get_precision(self):
        """Return the precision matrix.

        Returns
        -------
        ndarray of shape (n_features, n_features)
            In inverse squared units of X.
        """
        check_is_fitted(self)
        return self.precision_

    @available_if(_check_gaussian)
    def mahalanobis(self, X):
        """Squared Mahalanobis distances (x − μ)ᵀK(x − μ) of the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, in the units of the training data.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        X = self._check_rows(X)
        return -2.0 * self.family_.log_density(self._law.theta, X)

    @available_if(_check_gaussian)
    def error_norm(self, comp_cov, norm="frobenius", scaling=True, squared=True):
        """Distance between the fitted and another covariance, as in ``EmpiricalCovariance.error_norm``.

        Parameters
        ----------
        comp_cov : array-like of shape (n_features, n_features)
            Covariance to compare with.
        norm : {"frobenius", "spectral"}, default="frobenius"
            Norm of the difference.
        scaling : bool, default=True
            Divide the squared norm by n_features.
        squared : bool, default=True
            Return the squared norm.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        return self._as_empirical_covariance().error_norm(comp_cov, norm=norm, scaling=scaling, squared=squared)
