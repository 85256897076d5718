"""Upgrade: what stores of format 2 hold, in today's form.

Format 2 differs in its plan, which knows neither earlier fingerprints nor the leaves of the data, and in its parameters
and states, archives of numpy that do not say whose they are. Its rows are read as they are.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from fnnet.records.sealed import Sealed


def plan_of_format_2(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a plan of format 2.

    Its "older_fingerprints" are None: those of the store's rows, which such a plan does not derive.

    Example:
        >>> plan_of_format_2({"format": 2, "groups": [{"lanes": 4}]})["groups"]
        [{'earlier': [], 'lanes': 4}]
    """
    groups = plan.get("groups")
    if isinstance(groups, list):
        groups = [{"earlier": [], **group} if isinstance(group, dict) else group for group in groups]
    return {**plan, "format": 3, "earlier": [], "leaves": {}, "groups": groups, "older_fingerprints": None}


def params_of_format_2(content: bytes, rows: pl.DataFrame) -> Sealed | None:
    """Decode the parameters of a chunk's rows, the first of its lanes; None if damaged or malformed.

    Example:
        >>> params_of_format_2(b"damaged", pl.DataFrame()) is None
        True
    """
    recorded, _, body = content.partition(b"\n")
    if recorded != hashlib.sha256(body).hexdigest().encode():
        return None
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, TypeError, EOFError, AttributeError, zipfile.BadZipFile):
        return None
    if not all(
        isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biufc" and leaf.ndim for leaf in arrays.values()
    ):
        return None
    about = {"fingerprint": rows["fingerprint"][0], "runs": rows["id"].to_list()}
    return Sealed(about, {name: leaf[: rows.height] for name, leaf in arrays.items()})
