"""A process that is forked from one that has used two threads: OpenMP and torch would wait there for the second."""

import multiprocessing
import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

FORKED = """
import multiprocessing
import os
import sys

import numpy as np

from skscore import DenoisingScoreEstimator, ScoreMatchingDensity
from skscore.models import Kernel
from skscore.neural import ScoreNetwork

X = np.random.default_rng(1).standard_normal((3000, 2))
WIDE = {"hidden_layer_sizes": (64,), "max_iter": 2, "device": "cpu"}
KINDS = {
    "kernel": ScoreMatchingDensity(Kernel(20), alpha=0.1, random_state=0),
    "network": DenoisingScoreEstimator(ScoreNetwork(**WIDE, n_folds=1), n_likelihood_steps=2, random_state=0),
}


def mean():
    return KINDS[sys.argv[1]].fit(X).score(X)


if sys.argv[1] != "kernel":
    import torch

    torch.randn(1000, 1000) @ torch.randn(1000, 1000)
    torch.randn(1_000_000).exp()
expected = mean()
with multiprocessing.get_context("fork").Pool(1) as pool:
    np.testing.assert_allclose(pool.apply(mean), expected, rtol=1e-6)
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
@pytest.mark.parametrize("kind", ["kernel", pytest.param("network", marks=pytest.mark.torch)])
def test_a_forked_child_does_not_wait_for_threads_of_its_parent(kind):
    two = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "2")
    environment = {**os.environ, **two, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-W", "ignore", "-c", FORKED, kind]
    parent = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        assert parent.wait(timeout=120) == 0
    finally:
        with suppress(ProcessLookupError):  # of the group, as a child that waits would do so for ever
            os.killpg(parent.pid, signal.SIGKILL)
