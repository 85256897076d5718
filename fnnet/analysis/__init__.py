"""Theory and analysis of networks: curvature, representations, mean fields, tangent kernels."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, ["curvature", "deep_linear", "mean_field", "representations", "tangent_kernel"]
)
