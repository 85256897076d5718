"""Sweeps: a space becomes a plan, a plan is executed, and results come back as one table."""
