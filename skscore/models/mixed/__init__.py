"""Densities of rows that hold levels and numbers: one interface, and what is known in closed form."""
