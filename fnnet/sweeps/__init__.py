"""Sweeps: plan the runs of a space, train them, and return their results as one table."""
