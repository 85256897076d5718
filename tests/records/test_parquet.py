"""Rows of many chunks are decoded at once, and damage of one chunk touches no other."""

import polars as pl
import pytest

from fnnet.records.parquet import INDEX, decode_rows, encode_rows
from fnnet.records.store import Chunk, Store, chunk_id_of


def rows_of(number, **more):
    ids = [f"{number:030x}{run:02x}" for run in range(3)]
    chunk_id = chunk_id_of(ids)
    columns = {"id": ids, "chunk": chunk_id, "fingerprint": "f", "loss": [0.5 * number, 1.5, 2.5], **more}
    return chunk_id, pl.DataFrame(columns)


CHUNKS = dict(rows_of(number, **({"rung": [1, 2, 3]} if number % 3 else {})) for number in range(7))


def contents():
    return {chunk_id: encode_rows(rows) for chunk_id, rows in CHUNKS.items()}


def by_chunk(tables):
    return {part["chunk"][0]: part for table in tables for part in table.partition_by("chunk")}


def test_chunks_with_the_same_columns_are_decoded_together():
    tables = decode_rows(contents())
    assert sorted(table.height for table in tables) == [9, 12]
    assert all(part.equals(CHUNKS[chunk_id]) for chunk_id, part in by_chunk(tables).items())
    (index,) = decode_rows(contents(), columns=())
    assert index.equals(pl.concat(rows.select(INDEX) for rows in CHUNKS.values()))


@pytest.mark.parametrize("columns", [None, ()])
@pytest.mark.parametrize(
    "damaged",
    [
        lambda rows: b"",
        lambda rows: encode_rows(rows)[:-9],
        lambda rows: encode_rows(rows).replace(b"PAR1", b"PAR2"),
        lambda rows: encode_rows(rows.head(0)),
        lambda rows: encode_rows(rows.drop("fingerprint")),
        lambda rows: encode_rows(rows.with_columns(chunk=pl.lit("0" * 16))),
        lambda rows: encode_rows(rows.with_columns(id=pl.lit(7))),
    ],
)
def test_only_damaged_chunks_are_left_out(damaged, columns):
    hit = list(CHUNKS)[2:5:2]
    changed = contents() | {chunk_id: damaged(CHUNKS[chunk_id]) for chunk_id in hit}
    found = by_chunk(decode_rows(changed, columns=columns))
    assert found.keys() == CHUNKS.keys() - set(hit)
    for chunk_id, rows in found.items():
        assert rows.equals(CHUNKS[chunk_id].select(INDEX) if columns is not None else CHUNKS[chunk_id])


def test_index_of_a_store_names_the_runs_of_its_chunks(tmp_path):
    store = Store(tmp_path)
    with store.writing():
        for chunk_id, rows in CHUNKS.items():
            store.commit_chunk(chunk_id, rows)
        index = store.read_index()
        assert list(index) == sorted(CHUNKS)
        for chunk_id, rows in CHUNKS.items():
            assert index[chunk_id] == Chunk(rows["id"].to_list(), "f") and next(
                store.read_rows([chunk_id])
            ).equals(rows)
        hit = store.chunk_path(next(iter(CHUNKS)))
        hit.write_bytes(b"PAR1")
        assert len(store.read_index()) == 6 and hit.exists()
        assert len(store.read_index(mend=True)) == 6 and not hit.exists()
        assert pl.concat(store.read_rows(), how="diagonal").height == 18
