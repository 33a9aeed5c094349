"""Densities of a noise-conditional score: along the flow, at one level, and what is mixed into them."""
