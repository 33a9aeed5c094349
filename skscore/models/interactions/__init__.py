"""Interactions of pairs of columns, on any domain: families, sparse fits, paths of penalties and their choice."""
