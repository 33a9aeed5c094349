"""A process that is forked from one that has used two threads: OpenMP and torch would wait there for the second."""

import multiprocessing
import os
import signal
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec

import pytest

FORKED = """
import multiprocessing
import sys

import numpy as np

from skscore import DenoisingScoreEstimator, ScoreMatchingDensity
from skscore.models import Kernel
from skscore.neural import ScoreNetwork

X = np.random.default_rng(1).standard_normal((3000, 2))
WIDE = {"hidden_layer_sizes": (64,), "max_iter": 2, "device": "cpu", "n_folds": 1}
KINDS = {
    "kernel": ScoreMatchingDensity(Kernel(20, bandwidth=1.0), alpha=0.1, random_state=0),
    "network": DenoisingScoreEstimator(ScoreNetwork(**WIDE), n_likelihood_steps=2, tail=None, random_state=0),
}


def mean(kind):
    return KINDS[kind].fit(X).score(X)


for kind in sys.argv[1:]:
    if kind == "network":
        import torch

        torch.randn(1000, 1000) @ torch.randn(1000, 1000)
        torch.randn(1_000_000).exp()
    expected = mean(kind)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        np.testing.assert_allclose(pool.apply(mean, (kind,)), expected, rtol=1e-6)
    print(kind, flush=True)
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
def test_a_forked_child_does_not_wait_for_threads_of_its_parent():
    kinds = ["kernel", "network"] if find_spec("torch") else ["kernel"]
    two = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "2")
    environment = {**os.environ, **two, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-W", "ignore", "-c", FORKED, *kinds]
    parent = subprocess.Popen(command, env=environment, start_new_session=True, stdout=subprocess.PIPE, text=True)
    try:
        printed, _ = parent.communicate(timeout=120)
    finally:
        with suppress(ProcessLookupError):  # of the group, as a child that waits would do so for ever
            os.killpg(parent.pid, signal.SIGKILL)
    assert printed.split() == kinds
    assert parent.returncode == 0
