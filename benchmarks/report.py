"""The command line, the table and the JSON file that all benchmarks share."""

from __future__ import annotations

import argparse
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

from threadpoolctl import threadpool_info

RESULTS = Path(__file__).resolve().parent / "results"


def command_line(name, question):
    """Return a parser with --output and --quick; the result of a full run is kept in results/`name`.json."""
    parser = argparse.ArgumentParser(description=question.partition("\n")[0])
    parser.add_argument("--output", type=Path, help=f"JSON file to write (default: results/{name}.json)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs; writes only to --output")
    parser.set_defaults(kept=RESULTS / f"{name}.json", question=question.partition("\n")[0])
    return parser


def machine():
    """Return what a number may depend on: cores, versions, the kernels and threads of BLAS, other load."""
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return {
        "cpu_count": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("numpy", "scipy", "scikit-learn", "numba")},
        "blas": [{key: pool.get(key) for key in ("internal_api", "version", "architecture")} for pool in pools],
        "OPENBLAS_CORETYPE": os.environ.get("OPENBLAS_CORETYPE"),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def those_here(methods, absence):
    """Return the methods that can run here, and print of the others why not: `absence` tells, None if it can."""
    missing = {method: absence(method) for method in methods}
    for method in filter(missing.get, missing):
        print(f"{method} is left out: {missing[method]}")
    return [method for method in methods if not missing[method]]


def spread(numbers, digits=2):
    """Return "median (min..max)"."""
    return f"{numbers['median']:.{digits}f} ({numbers['min']:.{digits}f}..{numbers['max']:.{digits}f})"


def print_table(header, rows):
    """Print rows of text under their header, the first column to the left, the others to the right."""
    table = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[k]) for row in table) for k in range(len(header))]
    for number, row in enumerate(table):
        cells = [
            cell.rjust(width) if k else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
        if not number:
            print("  ".join("-" * width for width in widths))


def _four_digits(value):
    """Return the value with every float at four significant digits: more of them would be noise."""
    if isinstance(value, dict):
        return {key: _four_digits(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_four_digits(inner) for inner in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def write(arguments, facts, results):
    """Write question, machine and results as JSON; a quick run without --output writes nothing."""
    path = arguments.output or (None if arguments.quick else arguments.kept)
    if path is None:
        return
    content = {"question": arguments.question, "machine": facts, "results": results}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_four_digits(content), indent=1, allow_nan=False) + "\n", encoding="utf-8")
