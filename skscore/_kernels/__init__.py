"""Numba kernels: plain functions, arrays in, arrays out, each with a test where it meets the generic route."""
