"""The estimators: the only rooms that check user input."""
