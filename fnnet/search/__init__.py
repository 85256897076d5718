"""Searches that choose runs as results arrive: successive halving, Hyperband, Optuna."""
