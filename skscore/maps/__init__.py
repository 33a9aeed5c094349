"""Differentiable changes of variables: standardise, rotate, transform elementwise, and compose."""
