"""What each of two processes does: fits on its half of the rows, and what the test compares of them.

``python two_processes.py DIRECTORY RANK``, with rank 0 and 1 at a time, in a directory that holds nothing.
"""

import contextlib
import io
import pickle
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from skscore import DenoisingScoreEstimator, DenoisingScoreEstimatorCV
from skscore.estimators import all_rows
from skscore.neural import ScoreNetwork

N_ROWS, FEW_ROWS = 200, 100
SMALL = {"hidden_layer_sizes": (8, 8), "max_iter": 100, "n_folds": 1, "autocast": False, "device": "cpu"}


def table(n=N_ROWS, seed=5):
    """Rows on a ring."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0.0, 2.0 * np.pi, n)
    return np.column_stack([np.cos(angle), np.sin(angle)]) + 0.1 * rng.standard_normal((n, 2))


def row_weights():
    """A weight for each row of the table."""
    return np.random.default_rng(7).uniform(0.5, 2.0, N_ROWS)


def with_levels(X):
    """The same rows with a column of three levels."""
    return np.column_stack([X, np.digitize(X[:, 0], [-0.5, 0.5])])


def density(batch_size, verbose=0, **network):
    """An estimator that is soon fitted."""
    network = ScoreNetwork(**{**SMALL, "batch_size": batch_size, **network})
    return DenoisingScoreEstimator(
        network, n_likelihood_steps=2, tail=None, parzen=None, random_state=0, verbose=verbose
    )


def interrupt(estimator, state):
    """Fail at the second validation, in the first process, which alone reports."""
    if len(state.validation_curve) == 2:
        raise OSError("no space left on device")


def learned(fitted):
    """What the processes have to agree on."""
    weights = [array for one in fitted._density.noisy_score.weights for array in one.values()]
    return {"weights": weights, "curve": fitted.validation_loss_curve_, "n_iter": fitted.n_iter_}


def fits(batch_size, X, weight):
    """Fits that one process on all rows, with a batch twice as large, repeats."""
    plain = density(batch_size).fit(X)
    yield "plain", plain
    with patch.object(all_rows, "MOST_ROWS", FEW_ROWS):
        yield "many", density(batch_size).fit(X, sample_weight=weight)
    folds = density(batch_size, n_folds=2, n_networks=2, refit=True, max_epochs=10)
    yield "folds", folds.fit(with_levels(X), sample_weight=weight)
    yield "further", plain.partial_fit(1.1 * X)


def of_the_group_alone(X, rank, directory):
    """Fits that only processes of a group can make, and the messages of those that fail."""
    checkpoint = {"checkpoint": directory / f"{rank}.checkpoint", "checkpoint_every": 1}
    printed = io.StringIO()
    with patch.object(DenoisingScoreEstimator, "_report", interrupt):
        found = {"stopped": error_of(lambda: density(32, verbose=1, **checkpoint).fit(X))}
    found["saved"] = checkpoint["checkpoint"].exists()
    with contextlib.redirect_stdout(printed):
        found["resumed"] = learned(density(32, verbose=1, **checkpoint).fit(X))
    found["printed"] = printed.getvalue()
    found["in_time"] = learned(density(32, max_time=0.5, max_iter=10**6, refit=True).fit(X))
    with patch.object(all_rows, "MOST_ROWS", FEW_ROWS):
        found["many_levels"] = learned(density(32).fit(np.column_stack([X, np.arange(len(X)) % 5 + 5 * rank])))
    found["same"] = error_of(lambda: density(32).fit(table()))
    found["columns"] = error_of(lambda: density(32).fit(X[:, rank:]))
    found["weights"] = error_of(lambda: density(32).fit(X, sample_weight=None if rank else np.ones(len(X))))
    found["missing"] = error_of(lambda: density(32).fit(np.where(rank, np.nan, X)))
    found["search"] = error_of(lambda: DenoisingScoreEstimatorCV().fit(X))
    return found


def error_of(fit):
    """The message of what `fit` raises."""
    try:
        fit()
    except (ValueError, OSError) as error:
        return str(error)
    return None


def main(directory, rank):
    """All fits of this process, into a file."""
    torch.distributed.init_process_group("gloo", f"file://{directory / 'store'}", rank=rank, world_size=2)
    half = N_ROWS // 2
    own = slice(half * rank, half * (rank + 1))
    X = table()[own]
    found = {name: learned(fitted) for name, fitted in fits(32, X, row_weights()[own])}
    found["loaded"] = {"sympy", "torch._dynamo"} & set(sys.modules)  # a second each
    found |= of_the_group_alone(X, rank, directory)
    torch.distributed.destroy_process_group()
    (directory / f"{rank}.pickle").write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
