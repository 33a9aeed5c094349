"""Fitted estimators and sums of rows in files that are read without trust in them."""
