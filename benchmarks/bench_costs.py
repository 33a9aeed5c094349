"""How do seconds and memory grow with the rows, the columns and the size of a model?

CPU seconds on one thread, and the most bytes that were held beside the table, of `fit`, `score_samples` and `sample`,
along three axes: rows (10³ to 10⁷), columns, and what makes a model large (kernels, degree, noise levels). Beside each
curve stand its slope, the exponent over its upper half, and the exponent of the formula for the leading cost. The last
table says what a billion rows would cost on 1, 10 and 100 machines: an extrapolation of the seconds a row, which no run
has tested.
"""  # noqa: D400 - a question

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np
from paired import peak_bytes
from report import command_line, machine, print_table, write
from threadpoolctl import threadpool_limits

from skscore import DenoisingScoreEstimator, ScoreMatchingDensity, TabularDensity
from skscore.models import Kernel, Polynomial
from skscore.neural import ScoreNetwork

ROWS_OF_OTHER_AXES = 10_000
QUICK_MODELS = ("Gaussian", "polynomial")  # of a run that only shows that it runs
STEPS = 300  # of a network, so that its seconds are those of the steps and of the choices after them
BILLION, NO_SUMS = 1_000_000_000, {"network", "TabularDensity, closed form"}  # whose costs are not sums over rows


class Model(NamedTuple):
    """An estimator of a size, sizes to try and the usual one, usual and most columns, most rows, and its exponents."""

    make: Callable
    sizes: tuple
    usual: int
    columns: int
    most_rows: int
    most_columns: int
    exponents: dict  # (quantity, axis) -> exponent of the leading cost, as the formula has it


def kernels(size):
    """Kernel densities of so many landmarks."""
    return ScoreMatchingDensity(Kernel(n_landmarks=size, bandwidth=2.0), alpha=1e-3, random_state=0)


def ladder(size):
    """Quartic polynomials at so many noise levels."""
    return DenoisingScoreEstimator(
        Polynomial(interaction_degree=1), n_levels=size, dequantize=False, tail=None, random_state=0
    )


def network(size):
    """A network of layers of so many units."""
    model = ScoreNetwork(hidden_layer_sizes=(size, size), max_iter=STEPS, n_folds=1)
    return DenoisingScoreEstimator(model, dequantize=False, tail=None, parzen=None, random_state=0)


def gaussian(size):
    """A Gaussian."""
    return ScoreMatchingDensity(random_state=0)


def graph(size):
    """Interactions of pairs under a sparse penalty."""
    return ScoreMatchingDensity("pairwise", alpha=0.1, l1_ratio=1.0, random_state=0)


def polynomial(size):
    """A polynomial of this degree."""
    return ScoreMatchingDensity(Polynomial(size), random_state=0)


def frame(size):
    """A table of numbers, in closed form."""
    return TabularDensity(numeric="gaussian", discrete="tree", marginals="none", random_state=0)


QUANTITIES, AXES = ("fit", "score_samples", "sample"), ("rows", "columns", "size")
ROWS = {(quantity, "rows"): 1 for quantity in QUANTITIES}
SQUARES = {(quantity, "columns"): 2 for quantity in QUANTITIES}
BY_KERNELS = {("fit", "size"): 2, ("score_samples", "size"): 1}
OF_NETWORKS = {**ROWS, ("fit", "rows"): 0, ("fit", "size"): 2}
MODELS = {
    "Gaussian": Model(gaussian, (), 1, 8, 10_000_000, 512, ROWS | SQUARES),
    "pairwise, l1": Model(graph, (), 1, 8, 10_000_000, 256, ROWS | SQUARES),
    "polynomial": Model(polynomial, (2, 4, 6), 4, 3, 1_000_000, 8, ROWS),
    "kernels": Model(kernels, (50, 100, 200, 400, 800), 100, 8, 1_000_000, 64, ROWS | BY_KERNELS),
    "quartic ladder": Model(ladder, (5, 10, 20, 40), 10, 3, 1_000_000, 16, ROWS | {("fit", "size"): 1}),
    "network": Model(network, (32, 64, 128, 256), 64, 8, 1_000_000, 64, OF_NETWORKS),
    "TabularDensity, closed form": Model(frame, (), 1, 8, 100_000, 32, ROWS),
}


def table(n, d):
    """Correlated rows with two clusters, so that no model is at its end at once."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    X[:, 0] += 3.0 * (rng.random(n) < 0.5)
    if d > 1:
        X[:, 1] += 0.5 * X[:, 0]
    return X


def cpu_seconds(call):
    """CPU seconds of a call."""
    begun = time.process_time()
    call()
    return time.process_time() - begun


def cost(name, quantity, n, d, size, with_memory):
    """CPU seconds and bytes of one quantity."""
    X, density = table(n, d), MODELS[name].make(size)
    if quantity != "fit":
        density.fit(X[:ROWS_OF_OTHER_AXES]).score_samples(X[:10])  # a normaliser is found once, and kept
    calls = {
        "fit": lambda: density.fit(X),
        "score_samples": lambda: density.score_samples(X),
        "sample": lambda: density.sample(n),
    }
    seconds = cpu_seconds(calls[quantity])
    if seconds < 0.2:
        seconds = min(seconds, *(cpu_seconds(calls[quantity]) for _ in range(3)))
    record = {"model": name, "quantity": quantity, "rows": n, "columns": d, "size": size, "cpu_seconds": seconds}
    bytes_held = {"peak_mb": peak_bytes(calls[quantity]) / 1e6, "table_mb": X.nbytes / 1e6} if with_memory else {}
    return record | bytes_held


def points(name, axis, quick):
    """(rows, columns, size) along an axis."""
    model, usual = MODELS[name], ROWS_OF_OTHER_AXES // (10 if quick else 1)
    columns = (2, 4, 8, 16, 32, 64, 128, 256, 512)
    along = {
        "rows": [(10**k, model.columns, model.usual) for k in range(3, 8) if 10**k <= model.most_rows],
        "columns": [(usual, d, model.usual) for d in columns if d <= model.most_columns],
        "size": [(usual, model.columns, size) for size in model.sizes],
    }
    return along[axis][:1] if quick else along[axis]


def curve(name, axis, quantity, quick, most_seconds):
    """Costs along an axis, up to the first that takes more than `most_seconds`."""
    records = []
    for n, d, size in points(name, axis, quick):
        record = cost(name, quantity, n, d, size, with_memory=axis == "rows" and n <= 1_000_000)
        records.append({"axis": axis, **record})
        seconds = record["cpu_seconds"]
        print(f"{name:28s} {quantity:14s} n={n:<9d} d={d:<4d} size={size:<4d} {seconds:9.3f} s", flush=True)
        if seconds > most_seconds:
            break
    return records


def of(records, *named):
    """Records of a model, a quantity and an axis."""
    return [record for record in records if (record["model"], record["quantity"], record["axis"]) == named]


def slope(records, axis):
    """Exponent of the CPU seconds over the upper half of a curve; None with fewer than two points."""
    x, y = (np.log([record[key] for record in records]) for key in (axis, "cpu_seconds"))
    upper = slice(len(x) // 2 - (len(x) == 2), None)
    return float(np.polyfit(x[upper], y[upper], 1)[0]) if len(x[upper]) > 1 else None


def slopes(records):
    """Measured exponents, and those of the formulas where one term leads."""
    found = []
    for name, quantity, axis in product(MODELS, QUANTITIES, AXES):
        if (value := slope(of(records, name, quantity, axis), axis)) is not None:
            formula = MODELS[name].exponents.get((quantity, axis))
            found.append({"model": name, "quantity": quantity, "axis": axis, "slope": value, "formula": formula})
    return found


def billion(records):
    """Hours of one core for a fit to a billion rows, and on 10 and 100 machines, by the seconds that more rows took."""
    found = []
    for name in MODELS:
        fits = of(records, name, "fit", "rows")
        if name in NO_SUMS or len(fits) < 2:
            continue
        before, last = fits[-2:]
        seconds_of_a_row = (last["cpu_seconds"] - before["cpu_seconds"]) / (last["rows"] - before["rows"])
        hours = seconds_of_a_row * BILLION / 3600.0
        on = {f"hours_on_{k}": hours / k for k in (1, 10, 100)}
        found.append({"model": name, "columns": last["columns"], "measured_at": last["rows"], **on})
    return found


def of_other_models(path, models):
    """Records of the last run of models that are not asked for now."""
    if not path.exists():
        return []
    return [r for r in json.loads(path.read_text("utf-8"))["results"]["records"] if r["model"] not in models]


def main(argv=None):
    """Run all curves; write after each model, so that an interrupted run loses one."""
    parser = command_line("costs", __doc__)
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--most-seconds", type=float, default=40.0, help="a curve ends after a point that takes longer")
    arguments, facts = parser.parse_args(argv), machine()
    records = [] if arguments.quick else of_other_models(arguments.kept, arguments.models)
    warnings.simplefilter("ignore")
    with threadpool_limits(1):
        for name in QUICK_MODELS if arguments.quick else arguments.models:
            for quantity, axis in product(QUANTITIES, AXES):
                records += curve(name, axis, quantity, arguments.quick, arguments.most_seconds)
            results = {"records": records, "slopes": slopes(records), "a_billion_rows": billion(records)}
            write(arguments, facts, results)
    print_table(
        ["model", "of", "along", "exponent", "formula"],
        [(r["model"], r["quantity"], r["axis"], f"{r['slope']:.2f}", r["formula"]) for r in slopes(records)],
    )
    print_table(
        ["a billion rows", "columns", "CPU hours", "10 machines", "100 machines"],
        [(r["model"], r["columns"], *(f"{r[f'hours_on_{k}']:.3f}" for k in (1, 10, 100))) for r in billion(records)],
    )


if __name__ == "__main__":
    main()
