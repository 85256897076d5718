"""Parquet: the rows of a chunk as a file, and those of many chunks decoded at once.

Rows have at least the columns "id", "chunk" and "fingerprint". A file that lacks one of them, has no rows, holds
those of another chunk or has several fingerprints is damaged.
"""

import io
from collections.abc import Mapping

import polars as pl

INDEX = ("id", "chunk", "fingerprint")
"""Columns that say which runs a chunk has and what made them."""


def encode_rows(rows: pl.DataFrame) -> bytes:
    """Encode the rows of a chunk."""
    buffer = io.BytesIO()
    rows.write_parquet(buffer)
    return buffer.getvalue()


def decode_rows(contents: Mapping[str, bytes], *, only_index: bool = False) -> list[pl.DataFrame]:
    """Decode the rows of many chunks, one table for all with the same columns, without those that are damaged.

    Args:
        contents: the encoded rows, by chunk id.
        only_index: whether to decode only the columns of `INDEX`, which is several times faster.

    Example:
        >>> rows = pl.DataFrame({"id": ["a", "b"], "chunk": "c0", "fingerprint": "f", "loss": [0.5, 0.25]})
        >>> (table,) = decode_rows({"c0": encode_rows(rows), "c1": b"damaged"}, only_index=True)
        >>> table.rows()
        [('a', 'c0', 'f'), ('b', 'c0', 'f')]
    """
    by_schema: dict[bytes, dict[str, bytes]] = {}
    for chunk_id, content in contents.items():
        schema = b"" if only_index else content[content.rfind(b"ARROW:schema") : -8]  # the end of the file
        by_schema.setdefault(schema, {})[chunk_id] = content
    return [table for alike in by_schema.values() for table in _decode(alike, only_index)]


def _decode(contents: dict[str, bytes], only_index: bool) -> list[pl.DataFrame]:
    """Decode chunks with the same columns at once, or in halves where one of them is damaged."""
    buffers: list = [io.BytesIO(content) for content in contents.values()]
    try:
        scanned = pl.scan_parquet(buffers, extra_columns="ignore" if only_index else "raise")
        rows = (scanned.select(INDEX) if only_index else scanned).collect()
        has_form = all(rows.schema.get(name) == pl.String for name in INDEX)
        if has_form and sorted(rows.select("chunk", "fingerprint").unique()["chunk"]) == sorted(contents):
            return [rows]
    except pl.exceptions.PolarsError:
        pass
    items, half = list(contents.items()), len(contents) // 2
    halves = (dict(items[:half]), dict(items[half:])) if half else ()
    return [table for part in halves for table in _decode(part, only_index)]
