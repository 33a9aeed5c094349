"""The command line: ``python -m skscore``, or ``skscore`` once the package is installed."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from . import __version__
from .cli import commands
from .cli.progress import warnings_of_one_line
from .cli.table_file import table_path
from .tabular.column_kinds import KINDS

__all__ = ["main"]

WRONG, INTERRUPTED, NO_READER = 2, 130, 141  # exit codes


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where to read what is right."""
        self.exit(WRONG, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str, optional
        The command line without the name of the program.

    Returns
    -------
    int
        0, or 2 if something is wrong with what was given, which one line of the standard error says; 130 if
        interrupted, 141 if nobody reads the output.
    """
    asked = _parser().parse_args(argv)
    try:
        with warnings_of_one_line():
            asked.run(asked)
    except BrokenPipeError:
        return NO_READER
    except KeyboardInterrupt:
        print(f"skscore: interrupted, {_what_is_left(asked)}", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        return _wrong(f"{error.filename or 'the output'}: {error.strerror or error}")
    except (ValueError, ImportError) as error:
        return _wrong(str(error))
    return 0


def _what_is_left(asked):
    """What an interrupted command leaves behind."""
    training = commands.training_file(asked.output or "")
    if asked.run is commands.fit and os.path.exists(training):
        return f"{training} keeps the training: the same command goes on from there"
    return "nothing was written"


def _table(path):
    try:
        return table_path(path)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _wrong(message):
    """Exit code after one line that says what is wrong."""
    printable = "".join(c if c.isprintable() else " " for c in message)
    print(f"skscore: {' '.join(printable.split())}", file=sys.stderr)
    return WRONG


def _parser():
    parser = OneLineParser(prog="skscore", description="The density of a table: fit it, score rows, draw new ones.")
    parser.add_argument("--version", action="version", version=f"skscore {__version__}")
    jobs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    tables = "CSV or parquet, by its ending"

    job = _command(jobs, "fit", commands.fit)
    job.add_argument("table", metavar="TABLE", type=_table, help=tables)
    job.add_argument("-o", "--output", metavar="MODEL", required=True, help="where the model goes, for example m.skops")
    either = "by a network (default) or in closed form"
    job.add_argument("--numeric", choices=["network", "gaussian"], default="network", help=f"numbers {either}")
    job.add_argument("--discrete", choices=["network", "tree"], default="network", help=f"categories {either}")
    kinds = f"where the guess is wrong: {', '.join(KINDS)}"
    job.add_argument("--column-types", nargs="+", action="extend", default=[], metavar="COLUMN=KIND", help=kinds)
    job.add_argument("--drop", nargs="+", action="extend", default=[], metavar="COLUMN", help="columns to leave out")
    _add_seed(job)

    job = _command(jobs, "score", commands.score)
    _add_model_and_table(job, tables, required=False)

    job = _command(jobs, "sample", commands.sample)
    job.add_argument("model", metavar="MODEL")
    job.add_argument("-n", type=int, default=1, help="how many rows (default: 1)")
    job.add_argument(
        "--given", nargs="+", action="extend", default=[], metavar="COLUMN=VALUE", help="cells that are known"
    )
    _add_output(job, required=False)
    _add_seed(job)

    job = _command(jobs, "impute", commands.impute)
    _add_model_and_table(job, tables, required=True)
    _add_seed(job)

    job = _command(jobs, "report", commands.report)
    job.add_argument("real", metavar="REAL", type=_table, help=f"rows that the model was fitted to; {tables}")
    job.add_argument("synthetic", metavar="SYNTHETIC", type=_table, help="rows that it drew")
    job.add_argument("--holdout", metavar="TABLE", type=_table, help="real rows that no model has seen")
    job.add_argument("--figure", metavar="IMAGE", help="where a picture goes, for example report.png")
    _add_output(job, required=False, otherwise="a summary on the standard output")
    _add_seed(job)
    return parser


def _command(jobs, name, run):
    parser = jobs.add_parser(name, help=run.__doc__, description=run.__doc__)
    parser.set_defaults(run=run)
    return parser


def _add_model_and_table(job, tables, required):
    job.add_argument("model", metavar="MODEL")
    job.add_argument("table", metavar="TABLE", type=_table, help=tables)
    job.add_argument("--handle-unknown", choices=["error", "neg_inf", "na"], help="cells unlike all that fit saw")
    _add_output(job, required)


def _add_output(job, required, otherwise="CSV to the standard output"):
    where = "where the table goes" + ("" if required else f" (default: {otherwise})")
    job.add_argument("-o", "--output", metavar="OUT", type=_table, required=required, help=where)


def _add_seed(job):
    job.add_argument("--random-state", type=int, metavar="SEED", help="makes the outcome repeatable")


if __name__ == "__main__":
    sys.exit(main())
