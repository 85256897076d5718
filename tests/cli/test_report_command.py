"""`fnnet report`: the page of a store, written once or as the sweep goes on."""

import contextlib
import json
import re

import numpy as np
import pytest

import fnnet as fn
from fnnet.cli.commands import report as command
from fnnet.cli.main import main
from fnnet.cli.output import write_results
from fnnet.sweeps.events import Committed


class Stopped(Exception):
    pass


def content(path):
    return json.loads(re.search(r'id="report-data">(.*?)</script>', path.read_text(), flags=re.DOTALL)[1])


def stop_after(number):
    """Return an `on_event` that ends a sweep after so many chunks."""
    done = []

    def on_event(event):
        if isinstance(event, Committed):
            done.append(event)
            if len(done) == number:
                raise Stopped

    return on_event


@pytest.fixture
def train(tmp_path):
    """Return a function that trains chunks of two runs each into a store."""
    data = fn.load_dataset("iris")
    space = fn.grid(depth=0, learning_rate=[0.1, 0.2, 0.3], seed=range(2))
    options = {"num_steps": 3, "lanes": 1, "store": tmp_path / "iris"}

    def train(num_chunks=None):
        on_event = None if num_chunks is None else stop_after(num_chunks)
        with contextlib.suppress(Stopped):
            fn.sweep(fn.mlp_recipe(data), space, data, on_event=on_event, **options)
        return tmp_path / "iris"

    return train


def test_page_is_written_into_the_folder_or_where_it_is_wanted(train, tmp_path, capsys):
    store = train()
    main(["report", str(store)])
    assert capsys.readouterr().out == f"wrote {store}/report.html: 6 runs\n"
    assert content(store / "report.html")["opens"]["metric"] == "test_accuracy"
    main(["report", str(store), "--out", str(tmp_path / "page.html"), "--metric", "test_loss"])
    assert content(tmp_path / "page.html")["opens"]["metric"] == "test_loss"
    assert fn.open_results(store).table().height == 6, "the page is no part of the sweep"
    train()


def test_watching_writes_the_page_until_the_sweep_is_done(train, monkeypatch, capsys):
    store = train(1)
    seen = []

    def sleep(seconds):
        page = content(store / "report.html")
        seen.append((seconds, page["reload_every"], len(fn.open_results(store))))
        train(None if len(seen) == 2 else 1)

    monkeypatch.setattr(command.time, "sleep", sleep)
    main(["report", str(store), "--watch", "--every", "0.5"])
    (first, *_), num_done = seen, [each[2] for each in seen]
    assert first[:2] == (0.5, 0.5) and 0 < num_done[0] < num_done[1] < 6
    last = content(store / "report.html")
    assert last["reload_every"] is None and "finished" not in last["head"]["about"][0]
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_invalid_input_is_refused_before_anything_is_written(train, capsys):
    store = train()
    for options, said in (
        (["--metric", "test_los"], "test_loss"),
        (["--every", "0"], "--every must be seconds"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["report", str(store), *options])
        assert stop.value.code == 2 and said in capsys.readouterr().err
    assert not (store / "report.html").exists()


def test_sweep_ends_with_its_page(tmp_path, capsys):
    out = tmp_path / "sweep"
    axes = ["depth=0", "learning_rate=0.1,0.2", "seed=0,1"]
    main(["sweep", "--dataset", "iris", "--steps", "3", "--out", str(out), *axes])
    assert f"wrote {out}/report.html" in capsys.readouterr().out
    page = content(out / "report.html")
    assert page["title"] == "sweep" and len(page["views"]) == 2


def test_undrawable_heat_map_is_reported_and_the_table_written(tmp_path, capsys):
    columns = {"note": np.array(["a", "b"]), "diverged": np.zeros(2, bool)}
    results = fn.Results(fn.grid(learning_rate=[0.1, 0.2]), columns)
    results = fn.Results(results.space, {**columns, "id": results.space.ids()})
    paths = write_results(results, "note", tmp_path)
    assert [path.name for path in paths] == ["table.parquet", "table.csv"]
    assert all(path.exists() for path in paths)
    said = capsys.readouterr().err
    assert "no report.html: a report needs a metric" in said and "no heatmap.png:" in said
