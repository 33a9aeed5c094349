"""From quadratic forms to parameters: solvers, penalties, paths and criteria."""
