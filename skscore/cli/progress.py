"""What happens while one waits: a training on one line of the terminal, and warnings of one line each."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import TextIOBase
from shutil import get_terminal_size
from typing import TextIO

__all__ = ["progress_on_a_terminal", "warnings_of_one_line"]

CLEAR = "\r\x1b[K"


class ProgressLine(TextIOBase):
    """A text file of which a terminal shows the last line."""

    def __init__(self, terminal: TextIO) -> None:
        self.terminal = terminal

    def write(self, text: str, /) -> int:
        """Show the text in place of the last one."""
        if text.strip():
            self.terminal.write(CLEAR + text.strip()[: get_terminal_size().columns - 1])
            self.terminal.flush()
        return len(text)


@contextmanager
def progress_on_a_terminal() -> Iterator[bool]:
    """Show what is printed meanwhile on one line of the terminal, if the standard error is one; say whether it is."""
    if not sys.stderr.isatty():
        yield False
        return
    with redirect_stdout(ProgressLine(sys.stderr)):
        try:
            yield True
        finally:
            sys.stderr.write(CLEAR)


@contextmanager
def warnings_of_one_line() -> Iterator[None]:
    """Write each warning once, as one line."""
    told = set()

    def show(message, *others, **more):
        line = " ".join(str(message).split())
        if line not in told:
            told.add(line)
            print(f"skscore: warning: {line}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        yield
