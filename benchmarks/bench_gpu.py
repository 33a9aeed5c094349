"""How near do statistics of arrays, of tensors and of tensors on a GPU come to the speed of one matrix product?

`compute_statistics` of a Gaussian of 32 columns, of a polynomial of degree 4 in 6, and of 100 and 1000 kernels in 6,
with the plan given, for rows of numpy, of torch on the CPU, and of torch on a GPU if there is one. What a user calls is
timed, checks of the rows included. Useful work is 2nd² flops for moments, 2nm² for the m monomials up to the third
degree (whose products are all moments), and 3nm² for kernels. Its rate is stated against that of a square product in
the same library and precision, on the same device, which takes its turns in the same process. On the CPU all run on one
thread. scikit-learn wants the variable SCIPY_ARRAY_API=1.
"""  # noqa: D400 - a question

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from paired import interleaved, ratio, seconds_of, summary
from report import command_line, machine, print_table, spread, write
from sklearn import config_context
from threadpoolctl import threadpool_limits

from skscore import ScoreMatchingDensity
from skscore.models import Kernel, Polynomial
from skscore.models.monomials import MonomialBasis

FULL = {"repetitions": 5, "product": 1500, "share_of_rows": 1.0}
QUICK = {"repetitions": 1, "product": 100, "share_of_rows": 0.01}
MORE_ROWS = 50  # on a GPU


class Case(NamedTuple):
    """A model and a table for it."""

    model: str
    columns: int
    rows: int
    size: int  # columns, monomials or kernels
    flops_of_a_row: float

    @classmethod
    def gaussian(cls, d, rows):
        """Moments of d columns."""
        return cls("gaussian", d, rows, d, 2.0 * d**2)

    @classmethod
    def polynomial(cls, d, rows):
        """Monomials of degree 4 with interactions of pairs."""
        m = len(MonomialBasis(d, 3, 2))
        return cls("polynomial", d, rows, m, 2.0 * m**2)

    @classmethod
    def kernel(cls, m, rows, d=6):
        """So many landmarks."""
        return cls("kernel", d, rows, m, 3.0 * m**2)

    def density(self, X, precision):
        """Return an estimator; landmarks are the first rows."""
        if self.model == "gaussian":
            return ScoreMatchingDensity()
        if self.model == "polynomial":
            return ScoreMatchingDensity(Polynomial(4))
        model = Kernel(landmarks=X[: self.size], bandwidth=1.0, base_scale=1.0, regularizer="identity", dtype=precision)
        return ScoreMatchingDensity(model, alpha=0.1)


CASES = (
    Case.gaussian(32, 500_000),
    Case.polynomial(6, 100_000),
    Case.kernel(100, 100_000),
    Case.kernel(1000, 10_000),
)


class Place(NamedTuple):
    """Where rows lie: a library, a device and a precision."""

    library: str
    device: str
    precision: str

    def __str__(self):
        return f"{self.library}, {self.device}, {self.precision}"

    def put(self, X):
        """Return the rows there."""
        rows = X.astype(self.precision)
        return rows if self.library == "numpy" else torch.as_tensor(rows, device=self.device)

    def seconds_of(self, call):
        """Return the time of a call, until the device has done all of it."""
        return seconds_of(call if self.device == "cpu" else lambda: (call(), torch.cuda.synchronize()))


def places():
    """Return the CPU's libraries, and the GPU if there is one, in both precisions."""
    devices = [("numpy", "cpu"), ("torch", "cpu")]
    if torch.cuda.is_available():
        devices.append(("torch", "cuda"))
    return [Place(*device, precision) for precision in ("float64", "float32") for device in devices]


def measured(case, place, plan):
    """Return rows per second and the share of the rate of a product, for one model and place."""
    rng = np.random.default_rng(0)
    n = int(case.rows * plan["share_of_rows"] * (1 if place.device == "cpu" else MORE_ROWS))
    X, size = rng.standard_normal((n, case.columns), dtype=np.float32), plan["product"]
    density = case.density(X, place.precision)
    first = density.plan(X[: max(2000, 2 * case.size)])
    rows, A = place.put(X), place.put(rng.standard_normal((size, size)))
    candidates = {"statistics": lambda: density.compute_statistics(rows, plan=first), "product": lambda: A @ A}
    with config_context(array_api_dispatch=True):
        seconds = interleaved(candidates, plan["repetitions"], place.seconds_of)
    of_product = 2.0 * size**3 / (n * case.flops_of_a_row)  # flops, relative to those of the statistics
    share = {name: value / of_product for name, value in ratio(seconds, "product", "statistics").items()}
    return {
        "model": case.model,
        "columns": case.columns,
        "size": case.size,
        "rows": n,
        "place": str(place),
        "rows_per_second": n / summary(seconds["statistics"])["median"],
        "share_of_product": share,
        "seconds": {name: summary(values) for name, values in seconds.items()},
    }


def main(argv=None):
    """Run all cases in all places."""
    arguments = command_line("gpu", __doc__).parse_args(argv)
    plan, facts = QUICK if arguments.quick else FULL, machine()
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "no accelerator"
    facts = {**facts, "torch": torch.__version__, "accelerator": name}
    torch.set_num_threads(1)
    with threadpool_limits(1):
        results = [measured(case, place, plan) for case in CASES for place in places()]
    print(name)
    print_table(
        ["model", "size", "place", "rows/s", "share of a product"],
        [
            [r["model"], r["size"], r["place"], f"{r['rows_per_second']:.3g}", spread(r["share_of_product"])]
            for r in results
        ],
    )
    write(arguments, facts, {"plan": plan, "cases": results})


if __name__ == "__main__":
    main()
