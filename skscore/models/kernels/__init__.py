"""Densities of kernels: the family, its bases, what rows held out choose of them, and its conditional form."""
