"""What does a network need beside a table of a million rows, and does it learn as fast as from ten thousand?

`DenoisingScoreEstimator` is fitted to rows of 20 columns in a memory map of single precision, and to the same rows as
an array. Reported: the most anonymous memory of the process during the fit beyond that before it, which counts neither
the array nor pages of the file; and the CPU seconds of a training step, validation included, trainings taking turns.
"""  # noqa: D400 - a question

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
from report import command_line, machine, print_table, write
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from skscore import DenoisingScoreEstimator
from skscore.neural import ScoreNetwork

FULL = {
    "few": 10_000,
    "many": 1_000_000,
    "columns": 20,
    "memory": [("memory map", 200_000), ("memory map", 1_000_000), ("array", 1_000_000)],
    "steps": 400,
    "trainings": 3,
    "network": {},
}
QUICK = {
    "few": 700,
    "many": 1500,
    "columns": 2,
    "memory": [("memory map", 1500)],
    "steps": 200,
    "trainings": 1,
    "network": {"hidden_layer_sizes": (8,)},
}
BLOCK = 100_000
INTERVAL = 0.005  # seconds between two looks at the memory
MEGABYTE = 1 << 20


def write_rows(path, n, d):
    """Write n rows of three correlated clusters, block by block."""
    rng = np.random.default_rng(0)
    factor, centres = rng.standard_normal((d, d)) / np.sqrt(d), 3.0 * rng.standard_normal((3, d))
    rows = np.lib.format.open_memmap(path, "w+", np.float32, (n, d))
    for start in range(0, n, BLOCK):
        block = rows[start : start + BLOCK]
        block[:] = centres[rng.integers(3, size=len(block))] + rng.standard_normal(block.shape) @ factor
    rows.flush()


def rows_of(path, kind, n):
    """Return the first n rows of the file, as a memory map or as an array of double precision."""
    rows = np.load(path, mmap_mode="r")[:n]
    return rows if kind == "memory map" else rows.astype(np.float64)


def fit(X, network, **parameters):
    """Fit to the rows; so short a training may warn that its log-densities are doubtful."""
    density = DenoisingScoreEstimator(ScoreNetwork(n_folds=1, device="cpu", **network), random_state=0, **parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        density.fit(X)


# ---- memory --------------------------------------------------------------------------------------


def anonymous_memory():
    """Return the bytes of this process that are no pages of files; Linux tells them."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("RssAnon")))


def memory_of_fit(path, kind, n, network):
    """Return the most megabytes during a fit with all defaults beyond those before it."""
    X = rows_of(path, kind, n)
    fit(X[:700], network | {"max_iter": 1})  # loads what a first fit loads
    before, most, ended = anonymous_memory(), 0, threading.Event()

    def watch():
        nonlocal most
        while not ended.wait(INTERVAL):
            most = max(most, anonymous_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    with threadpool_limits(1):
        fit(X, network | {"max_iter": 100})
    ended.set()
    watcher.join()
    return (most - before) / MEGABYTE


def memory_in_a_process_of_its_own(path, kind, n, network):
    """Return the same of a process in which nothing was fitted before."""
    call = f"import bench_rows_on_disk as b; print(b.memory_of_fit({str(path)!r}, {kind!r}, {n}, {network!r}))"
    python = [sys.executable, "-c", call]
    done = subprocess.run(python, cwd=Path(__file__).parent, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


# ---- speed ---------------------------------------------------------------------------------------


class Stamps(io.StringIO):
    """Where a fit prints to: the CPU seconds at which it told of a step."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def write(self, text):
        """Note the time."""
        if "step" in text:
            self.seconds.append(time.process_time())
        return len(text)


def seconds_of_step(X, steps, network):
    """Return the CPU seconds of a step, validation included, in each hundred of a training but the first."""
    stamps = Stamps()
    with contextlib.redirect_stdout(stamps), threadpool_limits(1):
        fit(X, network | {"max_iter": steps}, n_likelihood_steps=2, tail=None, parzen=None, verbose=1)
    return np.diff(stamps.seconds) / 100


def speed(path, plan):
    """Return the least CPU seconds of a step from few rows and from many, trainings taking turns."""
    tables = {
        "few, array": rows_of(path, "array", plan["few"]),
        "many, memory map": rows_of(path, "memory map", plan["many"]),
    }
    found = {name: [] for name in tables}
    for _ in range(plan["trainings"]):
        for name, X in tables.items():
            found[name].extend(seconds_of_step(X, plan["steps"], plan["network"]))
    return {name: float(min(seconds)) for name, seconds in found.items()}


def main(argv=None):
    """Measure memory, each fit in a process of its own, and speed."""
    arguments, facts = command_line("rows_on_disk", __doc__).parse_args(argv), machine()
    plan = QUICK if arguments.quick else FULL
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        write_rows(path, plan["many"], plan["columns"])
        memory = [memory_in_a_process_of_its_own(path, *table, plan["network"]) for table in plan["memory"]]
        seconds = speed(path, plan)
    records = [
        {"rows": n, "kind": kind, "megabytes": megabytes}
        for (kind, n), megabytes in zip(plan["memory"], memory, strict=True)
    ]
    few, many = seconds.values()
    print_table(
        ["rows", "kind", "MB beside them"], [[f"{r['rows']:,}", r["kind"], f"{r['megabytes']:.0f}"] for r in records]
    )
    print(f"CPU seconds of a step: {few:.4f} from few rows, {many:.4f} from many: {few / many:.3f} of the speed")
    results = {"torch": version("torch"), "memory": records, "seconds_of_step": seconds, "speed": few / many}
    write(arguments, facts, results)


if __name__ == "__main__":
    main()
