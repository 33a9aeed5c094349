"""Numba kernels: functions of arrays; a test compares each with the generic route."""
