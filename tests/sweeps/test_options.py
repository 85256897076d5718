"""Options are spelled once, and a typo is one clear line before any work."""

import pytest

import fnnet as fn

DATA = fn.load_dataset("iris")
SPACE = fn.grid(depth=0, learning_rate=[0.1, 0.3, 0.5], seed=range(2))
CALLS = {
    "sweep": lambda **options: fn.sweep(fn.mlp_recipe(DATA), SPACE, DATA, num_steps=4, **options),
    "prepare": lambda **options: fn.prepare(fn.mlp_recipe(DATA), SPACE, DATA, num_steps=4, **options),
    "successive_halving": lambda **options: fn.successive_halving(
        fn.mlp_recipe(DATA), SPACE, DATA, rungs=[2, 4], metric="test_loss", **options
    ),
    "hyperband": lambda **options: fn.hyperband(
        fn.mlp_recipe(DATA), SPACE, DATA, max_steps=4, min_steps=1, metric="test_loss", **options
    ),
    "optimize": lambda **options: pytest.importorskip("fnnet.search.optuna").optimize(
        fn.mlp_recipe(DATA),
        {"learning_rate": fn.LogUniform(0.01, 1)},
        DATA,
        pytest.importorskip("optuna").create_study(),
        **{"metric": "test_loss", "num_trials": 2, "batch_size": 2, "num_steps": 4, **options},
    ),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lane": 4}, "unknown option 'lane'; did you mean 'lanes'"),
        ({"accept_fingerprints": True}, "did you mean 'accept_fingerprint'"),
        ({"lanes": 0}, "lanes must be a positive integer, got 0"),
        ({"state_every": -1.0}, "state_every must be a number of seconds, at least 0, got -1.0"),
        ({"state_every": float("nan")}, "state_every must be a number of seconds"),
        ({"save_params": True}, "pass its folder as store="),
        ({"on_error": "go on"}, "unknown on_error 'go on'"),
    ],
    ids=str,
)
def test_options_that_cannot_be_used_are_refused(call, options, message):
    events = []
    with pytest.raises(fn.InputError, match=message):
        CALLS[call](on_event=events.append, **options)
    assert not events
