"""Measurements from single papers, one module per topic."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, ["classical", "early_training", "edge_of_stability", "fractals", "trainability"]
)
