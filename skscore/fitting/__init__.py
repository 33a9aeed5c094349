"""From statistics to parameters: what is gathered from the rows, and the solvers that turn it into θ."""
