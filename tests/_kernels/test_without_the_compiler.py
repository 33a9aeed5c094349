"""Every kernel is a function of Python, too: what is tested of the compiled ones holds without the compiler."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TESTS = [str(path) for path in HERE.glob("test_*.py") if path.stem not in {"test_threads", Path(__file__).stem}]


def test_kernels_pass_their_tests_as_plain_functions():
    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "-q", *TESTS]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
