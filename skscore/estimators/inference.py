"""Standard errors and tests of fitted parameters, named on the estimator."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..fitting.inference import sandwich, wald
from ..models.penalty_path import gradients

__all__ = ["Inference"]


class Inference:
    """What an estimator with ``inference=True`` says of its parameters; a part of ScoreMatchingDensity."""

    def _infer(self, X, Y, weight, objective):
        """Name standard errors of θ, by one more pass over the rows."""
        family, theta = self.family_, self._law.theta
        form = family.form(self.statistics_, objective)
        ridge = self._settled.alpha * (1.0 - self.l1_ratio)
        free = family.free_parameters(theta)
        kept = np.ix_(free, free)
        B = form.Gamma[kept] + np.diag(ridge * family.ridge_weights()[free])
        M = gradients(family, theta, X, Y, weight, objective).covariance_of_mean()[kept]
        covariance = np.zeros_like(form.Gamma)
        covariance[kept] = sandwich(B, M)
        A = family.report_matrix()
        self._name(parameter_covariance=covariance if A is None else A @ covariance @ A.T)
        self._name(standard_errors=np.sqrt(np.diag(self.parameter_covariance_)))

    def _check_inference(self, family, first):
        """Raise a ValueError where the rows cannot be asked for their gradients."""
        if not self.inference:
            return
        if not first:
            raise ValueError("inference=True needs all rows at once: call fit, or set inference=False to partial_fit.")
        if not family.has_row_gradients:
            raise ValueError(
                f"inference=True needs the gradient of each row, which model={self.model!r} does not form. Take "
                'model="pairwise", which is Gaussian by default, or an ExponentialFamily.'
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
        if not hasattr(self, "standard_errors_") or not hasattr(self, "interaction_"):
            raise ValueError("edge_tests needs inference=True and a model of pairwise interactions, at fit.")
        i, j = self.family_.pairs
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
