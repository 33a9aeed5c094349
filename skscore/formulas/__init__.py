"""The formulas of score matching: objectives on a score, and the quadratic form they share."""
