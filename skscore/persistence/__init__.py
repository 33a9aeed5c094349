"""Fitted estimators in files that are read without trust in them."""
