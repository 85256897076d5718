"""Reports: tables for the terminal, and figures."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, ["advice", "plots", "tables"])
