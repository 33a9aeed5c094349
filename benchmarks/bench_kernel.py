"""How near does a kernel fit come to the speed of one matrix product?

`speed`: the quadratic form of `LiteFamily` in one pass over 10⁵ rows of 10 columns, on one thread, in CPU time. Useful
work is 3nm² flops, and its rate is stated against that of one dgemm of 1500 × 1500. Each time is the least of several
turns, since neighbours on a shared machine only add to it. `score_samples` is compared with `KernelDensity` fitted on
10⁴ rows, which is timed on a part of the rows and scaled.
`threads`: by the clock, on a machine best idle, how much faster two threads are than one, on this pass and on a whole
fit to 10³ rows, where threads that wait for each other would cost more than they bring.
"""  # noqa: D400 - a question

from __future__ import annotations

import time

import numpy as np
from paired import interleaved, peak_bytes, seconds_of
from report import command_line, machine, print_table, write
from scipy.linalg.blas import dgemm
from sklearn.neighbors import KernelDensity
from threadpoolctl import threadpool_limits

from skscore import ScoreMatchingDensity
from skscore._kernels import threads
from skscore.models import GaussianBase, Kernel
from skscore.models.kernels.lite import LiteFamily

COLUMNS = 10
USEFUL_SHARE = {100: 0.40, 300: 0.70, 1000: 0.85}  # at least, of the dgemm rate
SINGLE_SPEEDUP = {300: 1.9, 1000: 1.9}
SCORE_SPEEDUP = 100.0
TWO_THREADS_SPEEDUP = {"pass": 1.6, "fit": 0.9}
MAX_BYTES = {m: 30e6 + 9 * 8 * m**2 for m in USEFUL_SHARE}


def cpu_seconds(call):
    """Return the CPU time of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def least(candidates, repetitions, clock):
    """Return the least seconds of each candidate."""
    return {name: min(values) for name, values in interleaved(candidates, repetitions, clock).items()}


def family(X, m, dtype=np.float64):
    """Return kernels at the first `m` rows, all of which are parameters."""
    d = X.shape[1]
    return LiteFamily(X[:m].copy(), np.eye(d) / np.sqrt(d), np.eye(m), GaussianBase(), dtype=dtype)


def product(size):
    """Return a dgemm of `size` and its flops."""
    A, C = np.asfortranarray(np.random.default_rng(0).standard_normal((size, size))), np.zeros((size, size), order="F")
    return (lambda: dgemm(1.0, A, A, 0.0, C, overwrite_c=1)), 2.0 * size**3


def form_speed(X, m, repetitions, size):
    """Return rates and memory of the quadratic form with `m` kernels."""
    weight, (gemm, flops) = np.ones(len(X)), product(size)
    double, single = (family(X, m, dtype) for dtype in (np.float64, np.float32))
    calls = {
        "dgemm": gemm,
        "float64": lambda: double.implicit_form(X, weight),
        "float32": lambda: single.implicit_form(X, weight),
    }
    with threadpool_limits(1):
        seconds = least(calls, repetitions, cpu_seconds)
        memory = peak_bytes(calls["float64"])
    peak, useful = flops / seconds["dgemm"], 3.0 * len(X) * m**2 / seconds["float64"]
    return {
        "m": m,
        "seconds": seconds,
        "dgemm_gflops": peak / 1e9,
        "useful_gflops": useful / 1e9,
        "useful_share": useful / peak,
        "single_speedup": seconds["float64"] / seconds["float32"],
        "peak_bytes": memory,
    }


def score_speed(X, m, n_train, n_part, repetitions):
    """Return CPU seconds of log-densities of all rows, and how much faster they are than those of `KernelDensity`."""
    kernels, phi = family(X, m), np.zeros(m)
    reference = KernelDensity().fit(X[:n_train])
    calls = {
        "lite": lambda: kernels.log_density(phi, X),
        "KernelDensity_part": lambda: reference.score_samples(X[:n_part]),
    }
    with threadpool_limits(1):
        seconds = least(calls, repetitions, cpu_seconds)
    scaled = seconds["KernelDensity_part"] * len(X) / n_part
    return {"m": m, "seconds": seconds, "rows_of_part": n_part, "speedup": scaled / seconds["lite"]}


def speed(quick):
    """Return all that is asked about speed."""
    n, sizes, repetitions, size = (500, (20,), 2, 64) if quick else (100_000, (100, 300, 1000), 7, 1500)
    X = np.random.default_rng(0).standard_normal((n, COLUMNS))
    forms = [form_speed(X, m, repetitions, size) for m in sizes]
    print_table(
        ["kernels", "float64, s", "useful GF/s", "of dgemm", "float32 faster by", "extra MB"],
        [
            (
                c["m"],
                f"{c['seconds']['float64']:.3f}",
                f"{c['useful_gflops']:.1f}",
                f"{c['useful_share']:.2f}",
                f"{c['single_speedup']:.2f}",
                f"{c['peak_bytes'] / 1e6:.1f}",
            )
            for c in forms
        ],
    )
    scores = score_speed(X, 20 if quick else 300, n // 10, 100 if quick else 1000, 3)
    print(f"score_samples: {scores['speedup']:.0f} times KernelDensity, scaled from {scores['rows_of_part']} rows")
    return {"forms": forms, "score_samples": scores}


def speed_kept(results):
    """Say for each limit whether it was kept."""
    by_size = {form["m"]: form for form in results["forms"]}
    return {
        "useful_share": {str(m): by_size[m]["useful_share"] >= share for m, share in USEFUL_SHARE.items()},
        "single_speedup": {str(m): by_size[m]["single_speedup"] >= limit for m, limit in SINGLE_SPEEDUP.items()},
        "memory": {str(m): by_size[m]["peak_bytes"] <= most for m, most in MAX_BYTES.items()},
        "score_samples": results["score_samples"]["speedup"] >= SCORE_SPEEDUP,
    }


def two_over_one(call, repetitions):
    """Return how much faster a call is on two threads."""

    def limited(n_threads):
        with threadpool_limits(n_threads):
            call()

    seconds = least({"one": lambda: limited(1), "two": lambda: limited(2)}, repetitions, seconds_of)
    return {"seconds": seconds, "speedup": seconds["one"] / seconds["two"]}


def two_threads(quick):
    """Return this for a pass and for a whole fit, or nothing where only one thread may be used."""
    if threads.available() < 2:
        print("two threads: not measured, as only one may be used here")
        return {}
    n, m, n_few = (500, 20, 60) if quick else (100_000, 300, 1000)
    X = np.random.default_rng(0).standard_normal((n, COLUMNS))
    kernels, weight = family(X, m), np.ones(n)
    results = {
        "pass": two_over_one(lambda: kernels.implicit_form(X, weight), 2 if quick else 7),
        "fit": two_over_one(lambda: ScoreMatchingDensity(Kernel(m)).fit(X[:n_few, :2]), 2 if quick else 3),
    }
    for name, result in results.items():
        print(f"two threads, {name}: {result['speedup']:.2f} times one")
    return results


def two_threads_kept(results):
    """Say for each limit whether it was kept."""
    return {name: result["speedup"] >= TWO_THREADS_SPEEDUP[name] for name, result in results.items()}


SECTIONS = {"speed": (speed, speed_kept), "threads": (two_threads, two_threads_kept)}


def main(argv=None):
    """Run the sections asked for."""
    parser = command_line("kernel", __doc__)
    parser.add_argument("--section", choices=SECTIONS, action="append", help="only this one; may be repeated")
    arguments = parser.parse_args(argv)
    facts, results = machine(), {}
    for name in arguments.section or SECTIONS:
        run, kept = SECTIONS[name]
        results[name] = run(arguments.quick)
        if not arguments.quick:
            results[name]["kept"] = kept(results[name])
            print(f"{name}, limits kept: {results[name]['kept']}")
    write(arguments, facts, results)


if __name__ == "__main__":
    main()
