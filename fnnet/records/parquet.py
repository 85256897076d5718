"""Parquet: the rows of a chunk as a file, and those of many chunks decoded at once.

Rows have at least the columns "id", "chunk" and "fingerprint". A file that lacks one of them, has no rows, holds
those of another chunk or has several fingerprints is damaged.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

INDEX = ("id", "chunk", "fingerprint")
"""Columns that say which runs a chunk has and what made them."""


def encode_rows(rows: pl.DataFrame) -> bytes:
    """Encode the rows of a chunk."""
    buffer = io.BytesIO()
    rows.write_parquet(buffer, statistics=False)  # unused, and a fifth of the time
    return buffer.getvalue()


def decode_rows(contents: Mapping[str, bytes], columns: Sequence[str] | None = None) -> list[pl.DataFrame]:
    """Decode the rows of many chunks into one table per set of columns; damaged chunks are ignored.

    Args:
        contents: the encoded rows, by chunk id.
        columns: which to decode besides those of `INDEX`, which is several times faster than to decode all; None for all.

    Example:
        >>> rows = pl.DataFrame({"id": ["a", "b"], "chunk": "c0", "fingerprint": "f", "loss": [0.5, 0.25]})
        >>> (table,) = decode_rows({"c0": encode_rows(rows), "c1": b"damaged"}, columns=())
        >>> table.rows()
        [('a', 'c0', 'f'), ('b', 'c0', 'f')]
    """
    by_schema: dict[bytes, dict[str, bytes]] = {}
    for chunk_id, content in contents.items():
        schema = (
            b"" if columns is not None else content[content.rfind(b"ARROW:schema") : -8]
        )  # the end of the file
        by_schema.setdefault(schema, {})[chunk_id] = content
    return [table for alike in by_schema.values() for table in _decode(alike, columns)]


def _decode(contents: dict[str, bytes], columns: Sequence[str] | None) -> list[pl.DataFrame]:
    """Decode chunks with the same columns at once, or in halves where one of them is damaged."""
    buffers: list[Any] = [io.BytesIO(content) for content in contents.values()]
    try:
        scanned = pl.scan_parquet(buffers, extra_columns="raise" if columns is None else "ignore")
        rows = (scanned if columns is None else scanned.select(*INDEX, *columns)).collect()
        has_form = all(rows.schema.get(name) == pl.String for name in INDEX)
        if has_form and sorted(rows.select("chunk", "fingerprint").unique()["chunk"]) == sorted(contents):
            return [rows]
    except pl.exceptions.PolarsError:
        pass
    items, half = list(contents.items()), len(contents) // 2
    halves = (dict(items[:half]), dict(items[half:])) if half else ()
    return [table for part in halves for table in _decode(part, columns)]
