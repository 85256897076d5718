"""`fnnet predict`: the outputs of an exported network."""

import sys
from pathlib import Path

import tyro

from fnnet.errors import InputError


def predict(
    model: tyro.conf.Positional[Path],
    data: tyro.conf.Positional[Path],
    /,
    id: str | None = None,
    out: Path | None = None,
) -> None:
    """Print the predictions of an exported network for each row of a table: class and probabilities, or values.

        fnnet predict model.safetensors new_rows.csv --out predictions.csv

    The table needs the columns that the network was trained on, in their original units and in any order; they are
    encoded, filled and standardized as in training. Targets and columns that training left out are ignored.

    Args:
        model: a file written by export.
        data: a .csv or .parquet file; or, for a model trained on arrays, an .npz file with the array X, x or inputs.
        id: the column that identifies the rows, copied to the output; by default that of the training data.
        out: a .csv file to write instead of printing; it must not exist.
    """
    from fnnet.data.files import ARRAYS, check_file, read_table
    from fnnet.data.npz import read_npz_inputs
    from fnnet.evaluation.model import predict as predict_outputs
    from fnnet.evaluation.model import prepare_array, prepare_table, tabulate, to_csv
    from fnnet.interop import safetensors
    from fnnet.records.durable import write_new

    if out is not None and out.suffix.lower() != ".csv":
        raise InputError(f"--out must be a .csv file, got {out}")
    loaded = safetensors.load(model)
    try:
        if check_file(data) in ARRAYS:
            table = prepare_array(loaded, read_npz_inputs(data))
        else:
            table = prepare_table(loaded, read_table(data).frame, id)
        outputs = predict_outputs(loaded, table.inputs)
    except InputError as error:
        raise InputError(f"{data}: {error}") from error
    if table.notes:
        sys.stderr.write(f"{data}: {'; '.join(table.notes)}\n")
    text = to_csv(tabulate(loaded, outputs, table.ids))
    if out is None:
        print(text, end="")
    else:
        write_new(out, text.encode())
        print(f"wrote {out}")
