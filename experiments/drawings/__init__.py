"""Figures of experiments and measurements, drawn from their reports: one module each, of the same name."""
