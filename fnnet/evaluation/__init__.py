"""Many trained networks on many examples; and one of them, ready for use."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, ["calibration", "ensembles", "evaluate", "export", "model"]
)
