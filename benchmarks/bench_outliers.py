"""Which detector ranks labelled outliers below other rows?

Area under the ROC curve, in per cent: the chance that an outlier has a lower score than another row. Two protocols,
on the tables ``--tables FILE ...`` (.npz files with rows ``X`` and labels ``y``, 1 for an outlier), or without them on
three made of tables of scikit-learn:

- semi-supervised: fit to half of the other rows (``default_rng(1).permutation`` of their places), score the other half
  and all outliers;
- unsupervised: fit to all rows, score the same.

Columns are divided by the standard deviations of the rows of the fit for all but the default detector, which reads them
as they are: it finds their scales itself, and what their values are rounded to. Rivals: KernelDensity with bandwidth
max(.2, n^(-1/(d+4))), the distance to the fifth neighbour, GaussianMixture with the number of components that is
likeliest on a fifth of the rows, local outlier factors of 20 neighbours, a forest of 100 trees, and a support vector
machine at its defaults.
"""  # noqa: D400 - a question

from __future__ import annotations

import time
import warnings
from pathlib import Path

import numpy as np
from report import command_line, machine, print_table, write
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity, LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from threadpoolctl import threadpool_limits

from skscore import DensityOutlierDetector, ScoreMatchingDensity

N_COMPONENTS = (1, 2, 3, 5, 8, 12)
OWN_SCALES = "DensityOutlierDetector()"


# ---- detectors: rows to fit and rows to score, to scores that are low for outliers ---------------------------


def neighbours(X, T):
    """Minus the distance to the fifth neighbour; a row is none of its own neighbours."""
    own = X is T
    distances, _ = NearestNeighbors(n_neighbors=5 + own).fit(X).kneighbors(T)
    return -distances[:, -1]


def mixture(X, T):
    """Log-density under the mixture that is likeliest on a fifth of the rows."""
    order, n_held = np.random.default_rng(0).permutation(len(X)), len(X) // 5
    held, kept = X[order[:n_held]], X[order[n_held:]]
    candidates = [GaussianMixture(K, reg_covar=1e-2, random_state=0) for K in N_COMPONENTS if 5 * K <= len(kept)]
    best = max(candidates, key=lambda candidate: candidate.fit(kept).score(held))
    return best.fit(X).score_samples(T)


def kernel_density(X, T):
    """Log-density under windows around the rows."""
    n, d = X.shape
    return KernelDensity(bandwidth=max(0.2, n ** (-1 / (d + 4)))).fit(X).score_samples(T)


def local_factor(X, T):
    """Minus the local outlier factor, of the rows of the fit or of others."""
    factor = LocalOutlierFactor(20, novelty=X is not T).fit(X)
    return factor.negative_outlier_factor_ if X is T else factor.score_samples(T)


def detector(density=None):
    """Return the scores of our detector over a density."""
    return lambda X, T: DensityOutlierDetector(density).fit(X).score_samples(T)


RIVALS = {
    "KernelDensity": kernel_density,
    "5 neighbours": neighbours,
    "GaussianMixture": mixture,
    "LocalOutlierFactor": local_factor,
    "IsolationForest": lambda X, T: IsolationForest(random_state=0).fit(X).score_samples(T),
    "OneClassSVM": lambda X, T: OneClassSVM().fit(X).score_samples(T),
}
METHODS = {
    OWN_SCALES: detector(),
    "ScoreMatchingDensity(alpha=0.1)": detector(ScoreMatchingDensity(alpha=0.1)),
    "ScoreMatchingDensity(alpha=0.1, robust=0.1)": detector(ScoreMatchingDensity(alpha=0.1, robust=0.1)),
    **RIVALS,
}


# ---- problems ----------------------------------------------------------------------------------------------


def few_of_a_class(X, labels, rare, n_outliers):
    """Return rows of the other classes with a few of a rare one, and which these are."""
    outliers = np.flatnonzero(labels == rare)[:n_outliers]
    kept = np.sort(np.append(np.flatnonzero(labels != rare), outliers))
    return X[kept], labels[kept] == rare


def tables(files):
    """Yield (name, rows, whether each is an outlier)."""
    for path in files:
        with np.load(path) as file:
            yield path.stem, file["X"].astype(np.float64), file["y"] == 1
    if not files:
        yield "wine", *few_of_a_class(*load_wine(return_X_y=True), 1, 10)
        yield "breast cancer", *few_of_a_class(*load_breast_cancer(return_X_y=True), 0, 20)
        yield "digits", *few_of_a_class(*load_digits(return_X_y=True), 0, 40)


def protocols(X, is_outlier):
    """Yield (name, rows of the fit, rows to score, whether these are outliers)."""
    others = np.random.default_rng(1).permutation(np.flatnonzero(~is_outlier))
    fitted, scored = others[: len(others) // 2], np.append(others[len(others) // 2 :], np.flatnonzero(is_outlier))
    yield "semi-supervised", X[fitted], X[scored], is_outlier[scored]
    yield "unsupervised", X, X, is_outlier


def scores_of(method, X, T):
    """Scores by a method; −∞ stands below all others."""
    if method != OWN_SCALES:
        scaler = StandardScaler().fit(X)
        X, T = (lambda Z: (Z, Z) if X is T else (Z, scaler.transform(T)))(scaler.transform(X))
    return np.nan_to_num(METHODS[method](X, T), neginf=-1e300)


# ---- the run -----------------------------------------------------------------------------------------------


def measure(files):
    """Yield a record of each table, protocol and method."""
    for name, X, is_outlier in tables(files):
        for protocol, fitted, scored, truth in protocols(X, is_outlier):
            for method in METHODS:
                begun = time.process_time()
                auc = 100.0 * roc_auc_score(truth, -scores_of(method, fitted, scored))
                seconds = time.process_time() - begun
                yield {"table": name, "protocol": protocol, "method": method, "auc": auc, "cpu_seconds": seconds}


def print_means(records):
    """Print the mean over the tables, and the CPU seconds of all of them."""
    kinds = list(dict.fromkeys(record["protocol"] for record in records))

    def cells(method, quantity, reduce):
        values = {k: [r[quantity] for r in records if (r["method"], r["protocol"]) == (method, k)] for k in kinds}
        return [f"{reduce(values[kind]):.1f}" for kind in kinds]

    rows = [[method, *cells(method, "auc", np.mean), *cells(method, "cpu_seconds", np.sum)] for method in METHODS]
    print_table(["mean AUC in %", *kinds, *(f"CPU s, {kind}" for kind in kinds)], rows)


def main(argv=None):
    """Run all methods on all tables."""
    parser = command_line("outliers", __doc__)
    parser.add_argument("--tables", type=Path, metavar="FILE", nargs="+", default=[], help=".npz files with X and y")
    arguments = parser.parse_args(argv)
    records, facts = [], machine()
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for record in measure(arguments.tables):
            records.append(record)
            print(f"{record['table']}, {record['protocol']}, {record['method']}: {record['auc']:.1f}", flush=True)
            if arguments.quick and record["method"] == list(METHODS)[-1]:
                break
    write(arguments, facts, {"records": records})
    print_means(records)


if __name__ == "__main__":
    main()
