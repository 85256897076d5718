"""Load named data sets, files and arrays, each as an immutable `Dataset`.

A name is loaded when it is first used, so that the data sets can be listed without JAX.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
