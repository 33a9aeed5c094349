"""Densities of levels: a tree with exact conditionals, and a mixture over the orders in which columns are drawn."""
