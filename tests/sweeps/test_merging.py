"""Parts of a sweep, and stores joined into one: the same as one whole sweep, whatever is killed, missing or there twice."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnet as fn
from fnnet.records.store import Store
from fnnet.sweeps.arguments import check_part

DATA = np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3)
# The first learning rate is an integer, which would make another program of a part that began with it.
SPACE = fn.grid(width=[2, 4], learning_rate=[1, 0.25, 0.1], seed=range(3)).filter(
    lambda run: (run["width"], run["seed"]) != (4, 2)
)
NUM_RUNS = len(SPACE)


def recipe(gain=1.0):
    """Fit `width` weights; cheap to compile."""

    def of(width=2):
        def loss(w, x):
            return gain * jnp.mean((x @ w - 1) ** 2)

        def init(key, hp, data):
            return {"w": jax.random.normal(key, (3, width))}

        def step(key, hp, state, batch):
            value, grad = jax.value_and_grad(loss)(state["w"], batch)
            return {"w": state["w"] - 0.1 * jnp.float32(hp["learning_rate"]) * grad}, {"loss": value}

        return fn.Task(init, step, lambda hp, state, data: {"train_loss": loss(state["w"], data)})

    return of


def sweep(folder, space=SPACE, data=DATA, make=recipe, **options):
    return fn.sweep(
        make(), space, data, **{"num_steps": 6, "eval_every": 2, "lanes": 2, "store": folder, **options}
    )


def table(results):
    """All that is the same however a sweep is cut into chunks."""
    return results.table(records=True).drop("seconds", "chunk", "lane")


def equal(one, other):
    assert table(one).equals(table(other))
    for name in [name for name in other if name.endswith("_curve")]:
        np.testing.assert_array_equal(one[name], other[name])
    for run in range(len(other)):
        np.testing.assert_array_equal(one.params(run)["w"], other.params(run)["w"])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A whole sweep, and the same in four parts."""
    folder = tmp_path_factory.mktemp("made")
    whole = sweep(folder / "whole")
    for number in (1, 2, 3, 4):
        sweep(folder / f"part{number}", part=(number, 4))
    return folder, whole


@pytest.fixture
def parts(made, tmp_path):
    """The four parts, to be spoiled."""
    return [shutil.copytree(made[0] / f"part{number}", tmp_path / f"part{number}") for number in (1, 2, 3, 4)]


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_parts_merged_are_the_whole_sweep(made, parts, tmp_path):
    before = [content(part) for part in parts]
    order = [parts[2], parts[0], parts[3], parts[1]]
    equal(fn.merge_stores(order, tmp_path / "all"), made[1])
    equal(fn.open_results(tmp_path / "all"), made[1])
    assert [content(part) for part in parts] == before
    sizes = [len(fn.open_results(part)) for part in parts]
    assert sizes == [4, 4, 4, 3] and sum(sizes) == NUM_RUNS
    plan = Store(tmp_path / "all").read_plan()
    assert plan["options"]["part"] is None and plan["options"]["save_params"]
    assert plan["groups"] == Store(made[0] / "whole").read_plan()["groups"]


def test_part_has_runs_of_few_programs(made):
    widths = [set(fn.open_results(made[0] / f"part{number}")["width"].tolist()) for number in (1, 2, 3, 4)]
    assert widths == [{2}, {2}, {2, 4}, {4}]
    last = fn.grid(seed=range(3), width=[2, 4])  # where the static axis changes fastest
    prepared = fn.prepare(recipe(), last * fn.grid(learning_rate=0.1), DATA, num_steps=6, part=(2, 2))
    assert [(each.static, each.num_missing) for each in prepared.estimates] == [({"width": 4}, 3)]
    assert [job.estimate.num_missing for job in prepared.jobs] == [0, 3], "the other program is not compiled"


def test_whole_sweep_has_nothing_to_do_in_a_merged_store(made, parts, tmp_path):
    fn.merge_stores(parts, tmp_path / "all")
    before = content(tmp_path / "all" / "chunks")
    equal(sweep(tmp_path / "all", on_event=_fail_to_train), made[1])
    assert content(tmp_path / "all" / "chunks") == before


def _fail_to_train(event):
    assert type(event).__name__ not in ("Segment", "Committed")


def test_missing_runs_are_counted_and_the_whole_sweep_trains_them(made, parts, tmp_path):
    path = sorted((parts[1] / "chunks").iterdir())[0]
    lost = len(Store(parts[1]).read_index()[path.stem].run_ids)
    path.write_bytes(path.read_bytes()[:-1])
    line = rf"all holds {NUM_RUNS - 4 - lost} of {NUM_RUNS} runs; parts 2, 3 of 4 are missing or unfinished"
    with pytest.warns(UserWarning, match=line):
        partial = fn.merge_stores([parts[3], parts[0], parts[1]], tmp_path / "all")
    assert len(partial) == NUM_RUNS - 4 - lost
    trained = []
    whole = sweep(tmp_path / "all", on_event=lambda event: trained.append(event))
    equal(whole, made[1])
    committed = [len(event.rows["id"]) for event in trained if type(event).__name__ == "Committed"]
    assert sum(committed) == 4 + lost


def test_part_that_comes_later_is_added(made, parts, tmp_path):
    with pytest.warns(UserWarning, match=r"12 of 15 runs; part 4 of 4 is missing or unfinished"):
        fn.merge_stores(parts[:3], tmp_path / "all")
    equal(fn.merge_stores([tmp_path / "all", *parts[3:]], tmp_path / "all"), made[1])


def test_parts_may_overlap(made, parts, tmp_path):
    sweep(tmp_path / "half", part=(2, 2))
    equal(fn.merge_stores([parts[0], tmp_path / "half", *parts[1:]], tmp_path / "all"), made[1])
    index = Store(tmp_path / "all").read_index().values()
    assert sum(len(chunk.run_ids) for chunk in index) == NUM_RUNS, "no run is copied that is there already"


def test_one_store_can_train_several_parts(made, tmp_path):
    assert len(sweep(tmp_path / "some", part=(1, 3))) == 5
    assert len(sweep(tmp_path / "some", part=(3, 3))) == 10
    equal(sweep(tmp_path / "some"), made[1])


def test_stores_of_other_runs_of_one_sweep_are_joined(tmp_path):
    space = fn.grid(learning_rate=[0.5, 0.25], seed=range(4))
    whole = sweep(tmp_path / "whole", space)
    places = {"a": [0, 1, 2], "b": [7, 5], "c": [0, 3, 4, 6]}
    for name, rows in places.items():
        sweep(tmp_path / name, space.take(rows))
    joined = fn.merge_stores([tmp_path / name for name in places], tmp_path / "all")
    order = [0, 1, 2, 7, 5, 3, 4, 6]
    assert joined.space.ids().tolist() == space.ids()[order].tolist()
    np.testing.assert_array_equal(joined["train_loss"], whole["train_loss"][order])


def test_plan_says_what_made_the_whole(parts, tmp_path):
    for number, part in enumerate(parts, 1):
        words = ["sweep", "--part", f"{number}/4", "width=2,4", f"--out=part{number}", "--steps", "6"]
        plan = Store(part).read_plan()
        assert plan["options"]["part"] == [number, 4] and plan["command"] is None
        dates = {"created": f"2030-01-0{number}", "updated": f"2030-02-0{number}"}
        Store(part).write_plan({**plan, **dates, "command": ["fnnet", *words]})
    fn.merge_stores(parts, tmp_path / "all")
    plan = Store(tmp_path / "all").read_plan()
    expected = ["fnnet", "sweep", "width=2,4", "--steps", "6", "--out", str(tmp_path / "all")]
    assert plan["command"] == expected and plan["options"]["part"] is None
    assert (plan["created"], plan["updated"]) == ("2030-01-01", "2030-02-04")
    assert plan["data"]["kind"] == "arrays" and plan["recipe"]["name"].endswith("recipe.<locals>.of")
    assert plan["groups"] == Store(parts[0]).read_plan()["groups"]


def stop_at(monkeypatch, method, number):
    """Let the `number`-th call of a method of stores end as if the process were killed there."""
    calls, real = [], getattr(Store, method)

    def killed(self, *arguments, **options):
        calls.append(method)
        if len(calls) == number:
            raise KeyboardInterrupt
        return real(self, *arguments, **options)

    monkeypatch.setattr(Store, method, killed)


@pytest.mark.parametrize(
    ("method", "number", "num_committed"),
    [
        *(("commit_chunk", number, number - 1) for number in range(1, 6)),
        ("save_params", 1, 0),
        ("save_params", 4, 3),
        ("write_plan", 1, None),
    ],
)
def test_interrupted_merge_is_not_a_sweep_and_can_be_completed(
    made, parts, tmp_path, monkeypatch, method, number, num_committed
):
    out = tmp_path / "all"
    with monkeypatch.context() as patch:
        stop_at(patch, method, number)
        with pytest.raises(KeyboardInterrupt):
            fn.merge_stores(parts, out)
    with pytest.raises(fn.InputError, match=r"holds no sweep: it has no plan\.json"):
        fn.open_results(out)
    everything = sum(len(Store(part).read_index()) for part in parts)
    assert len(Store(out).read_index()) == (everything if num_committed is None else num_committed)
    again = shutil.copytree(out, tmp_path / "again")
    equal(fn.merge_stores(parts, out), made[1])
    equal(sweep(again), made[1])


def test_state_goes_on_after_the_merge(made, parts, tmp_path, stop_at_evaluation):
    shutil.rmtree(parts[2])
    with pytest.raises(RuntimeError, match="stopped"):
        sweep(parts[2], part=(3, 4), state_every=0.0, on_event=stop_at_evaluation(2)[0])
    with pytest.warns(UserWarning, match="part 3 of 4 is missing or unfinished"):
        fn.merge_stores(parts, tmp_path / "all")
    on_event, steps = stop_at_evaluation(99)
    equal(sweep(tmp_path / "all", on_event=on_event), made[1])
    assert steps.count(2) < steps.count(6), "the state of a chunk is not trained again"
    assert not list((tmp_path / "all" / "states").iterdir())


def test_merged_states_go_on_to_more_steps(tmp_path):
    for number in (1, 2):
        sweep(tmp_path / f"{number}", part=(number, 2), keep_states=True)
    fn.merge_stores([tmp_path / "1", tmp_path / "2"], tmp_path / "all")
    seen = []
    longer = sweep(
        tmp_path / "all",
        num_steps=10,
        keep_states=True,
        on_event=lambda event: seen.append(getattr(event, "first_step", 6)),
    )
    assert set(seen) == {6}, "no run begins anew"
    equal(longer, sweep(tmp_path / "new", num_steps=10))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_steps": 8}, "num_steps is 6 in one and 8 in the other"),
        ({"eval_every": 3}, "eval_every is 2 in one and 3 in the other"),
        ({"lanes": 4}, "lanes is 2 in one and 4 in the other"),
        ({"lanes": None}, "lanes is 2 in one and chosen in the other"),
        ({"data": DATA + 1}, r"their data differ \(values differ: \w{8} -> \w{8}\)"),
        ({"make": lambda: recipe(2.0)}, "their recipes compute different things for width=2"),
    ],
)
def test_stores_of_other_sweeps_are_refused_by_name(made, parts, tmp_path, change, message):
    sweep(tmp_path / "other", part=(2, 4), **change)
    with pytest.raises(fn.InputError, match=message) as refused:
        fn.merge_stores([parts[0], tmp_path / "other"], tmp_path / "all")
    assert str(parts[0]) in str(refused.value) and str(tmp_path / "other") in str(refused.value)
    assert "\n" not in str(refused.value) and not (tmp_path / "all").exists()
    sweep(tmp_path / "all", part=(2, 4), **change)
    before = content(tmp_path / "all" / "chunks")
    with pytest.raises(fn.InputError, match="are not from the same sweep"):
        fn.merge_stores(parts, tmp_path / "all")
    assert content(tmp_path / "all" / "chunks") == before


def test_recipes_are_compared_where_any_two_stores_have_a_program(tmp_path):
    first, second = SPACE.filter(lambda run: run["width"] == 2), SPACE.filter(lambda run: run["width"] == 4)
    sweep(tmp_path / "a", first)
    sweep(tmp_path / "b", second)
    sweep(tmp_path / "c", second, make=lambda: recipe(2.0))
    with pytest.raises(
        fn.InputError, match=r"b and .*c are not from the same sweep: their recipes .* for width=4"
    ):
        fn.merge_stores([tmp_path / name for name in "abc"], tmp_path / "all")


def test_store_of_another_machine_is_refused_by_name(parts, tmp_path):
    store = Store(parts[1])
    plan = store.read_plan()
    plan["fingerprint"]["device"] = "another CPU"
    store.write_plan(plan)
    with pytest.raises(fn.InputError, match=r"device is .* in one and another CPU in the other"):
        fn.merge_stores(parts, tmp_path / "all")


def test_runs_that_disagree_are_refused(tmp_path):
    for lanes, name in ((2, "two"), (4, "four")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("fnnet.sweeps.prepare.lanes_before", lambda *_, lanes=lanes: [lanes, lanes])
            sweep(tmp_path / name, lanes=None)
    message = "two and .*four hold the same run under the fingerprints .* leave one of them out"
    with pytest.raises(fn.InputError, match=message):
        fn.merge_stores([tmp_path / "two", tmp_path / "four"], tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_folder_without_its_plan_is_taken_for_no_other_sweep(parts, tmp_path):
    sweep(tmp_path / "all", num_steps=8)
    (tmp_path / "all" / "plan.json").unlink()
    with pytest.raises(fn.InputError, match=f"all holds {NUM_RUNS} of these runs from another sweep"):
        fn.merge_stores(parts, tmp_path / "all")


def test_searches_and_empty_folders_are_refused(parts, tmp_path):
    fn.successive_halving(
        recipe(), SPACE, DATA, rungs=[2, 6], metric="train_loss", store=tmp_path / "search", lanes=2
    )
    (tmp_path / "empty").mkdir()
    for folders, message in [
        ([tmp_path / "search"], "search holds a search, which compares all of its runs"),
        ([*parts, tmp_path / "empty"], r"empty holds no sweep: it has no plan\.json"),
        ([], "merging takes the folders of one or more stores"),
        ([tmp_path / "all"], "merging takes the folders of one or more stores"),
    ]:
        with pytest.raises(fn.InputError, match=message):
            fn.merge_stores(folders, tmp_path / "all")
    with pytest.raises(fn.InputError, match="holds files but no sweep"):
        fn.merge_stores(parts, tmp_path)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ((0, 4), "the number of a part must be a positive integer, got 0"),
        ((1, 0), "the number of parts must be a positive integer, got 0"),
        ((5, 4), "part 5 of 4 does not exist"),
        ((1, 16), "15 runs cannot be cut into 16 parts"),
        (3, r"part must be \(number, count\), such as part=\(3, 16\) for the third of 16 parts, got 3"),
        ("3/16", r"part must be \(number, count\)"),
    ],
)
def test_invalid_parts(part, message):
    with pytest.raises(fn.InputError, match=message):
        check_part(part, NUM_RUNS)


def test_searches_have_no_parts():
    with pytest.raises(fn.InputError, match="unknown option 'part'"):
        fn.successive_halving(recipe(), SPACE, DATA, rungs=[2, 6], metric="train_loss", part=(1, 2))


def test_runs_of_different_lengths_are_merged(tmp_path):
    space = fn.grid(num_steps=[3, 5], learning_rate=[0.3, 0.1], seed=range(2))
    options = {"num_steps": None, "eval_every": None}
    whole = sweep(tmp_path / "whole", space, **options)
    for number in (1, 2, 3):
        sweep(tmp_path / f"{number}", space, part=(number, 3), **options)
    equal(fn.merge_stores([tmp_path / f"{number}" for number in (1, 2, 3)], tmp_path / "all"), whole)
