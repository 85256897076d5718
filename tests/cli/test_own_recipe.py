import sys

import pytest
from command_lines import check_answer, mistakes, run

from fnnet.records.store import Store

MODULE = '''
import fnnet as fn


def plain(depth, activation="tanh"):
    """Train on iris, in plain words."""
    network = fn.mlp(4, [5] * depth, 3, activation)
    return fn.supervised(network, "cross_entropy", optimizer="adam", batch_size=16)


def of_data(data, depth=1, ignored=0):
    network = fn.mlp(data.num_features, [5] * depth, data.num_outputs)
    build = fn.from_hparams("sgd", "learning_rate", "momentum")
    return fn.supervised(network, "cross_entropy", optimizer=build, batch_size=16)


def maker(data):
    return lambda depth=0: of_data(data, depth)


def no_task(depth=1):
    return depth


number = 3
'''


@pytest.fixture
def own(place, monkeypatch):
    """The folder of `place`, with two modules."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    (place / "flowers.py").write_text(MODULE)
    (place / "broken.py").write_text("first = 1\nsecond = first / 0\n")
    (place / "thirsty.py").write_text("import no_such_library\n")
    yield place
    for name in ("flowers", "broken", "thirsty"):
        sys.modules.pop(name, None)


MISTAKES = [
    ("sweep --recipe flowers depth=1", "--recipe must be MODULE:FUNCTION, such as recipes:recipe, got 'flowers'"),
    ("sweep --recipe flowers.py:plain depth=1", "did you mean flowers:plain?"),
    ("sweep --recipe ./flowers.py depth=1", "did you mean flowers:recipe?"),
    ("sweep --recipe flower:plain depth=1", "there is no module 'flower' in"),
    ("sweep --recipe flowers:plan depth=1", "unknown function of flowers 'plan'; did you mean 'plain'"),
    ("sweep --recipe flowers:number depth=1", "unknown function of flowers 'number'"),
    ("sweep --recipe broken:f depth=1", "broken cannot be imported: ZeroDivisionError: division by zero (broken.py, line 2)"),
    ("sweep --recipe thirsty:f depth=1", "thirsty cannot be imported: ModuleNotFoundError: No module named 'no_such"),
    ("sweep --recipe flowers:plain learning_rate=0.1", "argument 'depth' has no default and is not an axis"),
    ("sweep --recipe flowers:plain depth=1 dropout=0.1 learning_rate=0.1", "unknown axis 'dropout'"),
    ("plan --recipe flowers:plain depth=1 width=5 learning_rate=0.1", "(one of: activation, b1, b2,"),
    ("sweep --recipe flowers:of_data momentum=0.5", "learning_rate"),
    ("sweep --recipe flowers:of_data ignored=1,2 learning_rate=0.1 momentum=0.5", "axis 'ignored' changes nothing"),
    ("sweep --recipe flowers:no_task depth=1", "the recipe must return a Task, got 1"),
    ("sweep --recip flowers:plain depth=1", "unknown option --recip; did you mean --recipe?"),
]  # fmt: skip


@mistakes(MISTAKES, at_least=15)
def test_invalid_input_is_refused_in_one_line(line, phrase, own, capsys):
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        check_answer(line, phrase, own, capsys)
    finally:
        sys.dont_write_bytecode = before


@pytest.mark.parametrize(
    ("line", "phrases"),
    [
        (
            "sweep --recipe flowers:plain depth=2 --help",
            [
                "Recipe flowers:plain: Train on iris, in plain words.",
                "static axes: depth (required), activation (tanh)",
                "traced axes: learning_rate (required), b1, b2, data_seed, eps,",
                "--eval-every",
            ],
        ),
        ("plan --recipe=flowers:plain -h", ["traced axes: give a value of depth to see them"]),
        (
            "sweep --recipe flowers:of_data --help",
            ["depth (1)", "traced axes: learning_rate (required), momentum (required)"],
        ),
        ("sweep --recipe flowers:maker --help", ["static axes: depth (0)"]),
    ],
)
def test_help_lists_the_axes_of_the_recipe(line, phrases, own, capsys):
    code, printed, error = run(line, capsys)
    assert code == 0 and error == ""
    for phrase in phrases:
        assert phrase in printed
    assert "nesterov" not in printed, "an axis of mlp_recipe"


@pytest.mark.slow
def test_sweep_of_an_own_recipe_is_stored_and_verified(own, capsys):
    line = "sweep --recipe flowers:of_data --steps 3 depth=0,1 learning_rate=0.1 momentum=0.5"
    code, printed, error = run(line, capsys)
    assert code == 0 and "best test_accuracy" in printed, error
    folder = own / "results" / "iris-flowers_of_data-depth-learning_rate-momentum"
    assert Store(folder).read_plan()["recipe"]["name"] == "flowers:of_data"
    del sys.modules["flowers"]
    code, printed, error = run(f"verify {folder}", capsys)
    assert code == 2 and "--recipe MODULE:FUNCTION" in error
    assert "flowers" not in sys.modules, "a module is imported only where the command line names it"
    code, printed, error = run(f"verify {folder} --recipe flowers:of_data", capsys)
    assert code == 0 and "trained all 2 runs again" in printed
