"""Standard errors and tests of fitted parameters, named on the estimator."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..fitting.inference import sandwich, wald
from ..models.interactions.penalty_path import gradients
from ..models.windham import feedback

__all__ = ["Inference"]

UNDETERMINED = (
    "inference=True: the rows do not determine every parameter (constant or collinear columns, or fewer rows than "
    "parameters), so that there are no standard errors. Drop such columns, set alpha > 0, or set inference=False."
)


class Inference:
    """What an estimator with ``inference=True`` says of its parameters; a part of ScoreMatchingDensity."""

    def _infer(self, X, Y, weight, objective):
        """Name standard errors of θ, by one more pass over the rows."""
        own = self.family_.natural(self._law.theta, self.statistics_, objective)
        L, report = own.directions, own.family.report_matrix()
        A, M = self._slope_and_noise(own, X, Y, weight, objective)
        try:
            covariance = L @ sandwich(L.T @ A @ L, L.T @ M @ L) @ L.T
        except np.linalg.LinAlgError:
            raise ValueError(UNDETERMINED) from None
        if not hasattr(self, "theta_"):
            self._name(theta=own.theta if report is None else report @ own.theta)
        self._name(parameter_covariance=covariance if report is None else report @ covariance @ report.T)
        self._name(standard_errors=np.sqrt(np.diag(self.parameter_covariance_)))

    def _slope_and_noise(self, own, X, Y, weight, objective):
        """A and M of the sandwich, at the parameters φ = (1 + c)θ of the weighted rows."""
        c = self.robust or 0.0
        phi, ridge = (1.0 + c) * own.theta, self._choice.alpha * (1.0 - self.l1_ratio)
        M = gradients(own.family, phi, X, Y, weight, objective).covariance_of_mean()
        A = (1.0 + c) * (own.Gamma + ridge * own.family.ridge_matrix())
        return A + c * feedback(own.family, phi, X, weight, objective) if c > 0.0 else A, M

    def _check_inference(self, family, first):
        """Raise a ValueError where the rows cannot be asked for their gradients."""
        if not self.inference:
            return
        if not first:
            raise ValueError("inference=True needs all rows at once: call fit, or set inference=False to partial_fit.")
        if not family.has_row_gradients:
            raise ValueError(
                f"inference=True needs the gradient of each row, which model={self.model!r} does not form. Take a "
                'single model in closed form, such as "gaussian", "pairwise" or "polynomial".'
            )

    def edge_tests(self):
        """Wald tests that an interaction is zero, for each pair of columns.

        Returns
        -------
        dict of ndarrays of shape (n_pairs,)
            Columns ``i`` and ``j`` (and their ``names``, shape (n_pairs, 2), where known), ``interaction``,
            ``standard_error``, ``statistic`` and ``p_value``. Pairs that an l1 penalty left out have the p-value 1;
            those of the others take no account of the selection.
        """
        check_is_fitted(self)
        interactions = getattr(self, "interaction_", getattr(self, "precision_", None))
        if not hasattr(self, "standard_errors_") or interactions is None:
            raise ValueError("edge_tests needs inference=True and a Gaussian model or one of interactions, at fit.")
        i, j = np.triu_indices(len(interactions))
        pairs = np.flatnonzero(i != j)
        estimate, error = self.theta_[pairs], self.standard_errors_[pairs]
        tested = error > 0.0
        statistic, p_value = np.zeros(len(pairs)), np.ones(len(pairs))
        if tested.any():
            groups = [[place] for place in pairs[tested]]
            statistic[tested], p_value[tested] = wald(self.theta_, self.parameter_covariance_, groups)
        table = {"i": i[pairs], "j": j[pairs], "interaction": estimate, "standard_error": error}
        names = getattr(self, "feature_names_in_", None)
        named = {} if names is None else {"names": np.column_stack([names[i[pairs]], names[j[pairs]]])}
        return {**table, **named, "statistic": statistic, "p_value": p_value}
