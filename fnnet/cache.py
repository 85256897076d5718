"""The folder for what can be made again: downloads, compiled programs, measured costs."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the cache folder, which need not exist: `$FNNET_CACHE`, or the platform's cache folder of the user.

    Example:
        >>> cache_folder().is_absolute()
        True
    """
    if folder := os.environ.get("FNNET_CACHE"):
        return Path(folder).absolute()
    import pooch

    return Path(pooch.os_cache("fnnet"))
