"""Axes as people type them, each with a phrase of the answer to its mistake."""

import inspect
import itertools
import re

from command_lines import RATE, check_answer, mistakes

import fnnet as fn
from fnnet.cli.axes import AXES, AXES_HELP
from fnnet.names import OPTIMIZERS
from fnnet.schedules import SCHEDULES

FORMS = [
    ("sweep", "at least one axis, such as learning_rate=log:1e-3:1:8"),
    ("plan", "at least one axis"),
    ("sweep learning_rate", "an axis is NAME=VALUES, such as depth=1,2,4; got 'learning_rate'"),
    ("sweep learning_rate 0.1", "an axis is NAME=VALUES"),
    ("sweep =1", "an axis is NAME=VALUES"),
    ("sweep learning-rate=0.1", "did you mean learning_rate=0.1?"),
    ("sweep 'learning rate=0.1'", "an axis is NAME=VALUES"),
    ("sweep learning_rate:0.1", "an axis is NAME=VALUES"),
    ("sweep learning_rate=", "axis 'learning_rate' is empty"),
    ("sweep learning_rate=0.1 learning_rate=0.2", "axis 'learning_rate' is given twice"),
    ("sweep learning_rate=0.1,0.1", "axis 'learning_rate' holds 0.1 twice"),
    ("sweep seed=0,1,0.0 learning_rate=1", "axis 'seed' holds 0.0 twice"),
    (f"sweep depth=1-4 {RATE}", "did you mean depth=range:1:5?"),
    (f"sweep depth=1..4 {RATE}", "did you mean depth=range:1:5?"),
    (f"sweep depth=[1,2] {RATE}", "did you mean depth=1,2?"),
    (f"sweep 'depth=(1, 2)' {RATE}", "did you mean depth=1,2?"),
    (f"sweep depth=1,,2 {RATE}", "did you mean depth=1,2?"),
    (f"sweep depth=1,2, {RATE}", "did you mean depth=1,2?"),
    (f"sweep 'depth=1;2' {RATE}", "did you mean depth=1,2?"),
    (f"sweep 'depth=1 2' {RATE}", "did you mean depth=1,2?"),
    (f"sweep depth=, {RATE}", "separate values with single commas"),
    (f"sweep 'widths=[[1,2' {RATE}", "cannot read '[[1,2'; tuples are written as in widths=[[16,16],[128]]"),
    (f"sweep 'widths=[[1],2]' {RATE}", "tuples are written as in widths=[[16,16],[128]]"),
    ("sweep learning_rate=1e", "axis 'learning_rate': '1e' is not a number; did you mean 1?"),
    ("sweep learning_rate=0.1.2", "'0.1.2' is not a number"),
    ("sweep learning_rate=10%", "'10%' is not a number; did you mean 10?"),
    ("sweep learning_rate=log:1:2", "axis 'learning_rate': cannot read 'log:1:2'; the forms are"),
    ("sweep learning_rate=log:0:1:3", "axis 'learning_rate': logspace needs positive finite bounds, got 0"),
    ("sweep learning_rate=log:-1:1:3", "positive finite bounds"),
    ("sweep learning_rate=log:a:1:3", "cannot read 'log:a:1:3'"),
    (
        "sweep learning_rate=log:1:2:0",
        "axis 'learning_rate': the number of values must be a positive integer",
    ),
    ("sweep learning_rate=log:1:2:2.5", "the number of values must be a positive integer, got 2.5"),
    ("sweep learning_rate=lin:0:inf:3", "linspace needs finite bounds"),
    ("sweep learning_rate=lgo:1e-3:1:8", "did you mean log:1e-3:1:8?"),
    ("sweep learning_rate=logspace:1e-3:1:8", "did you mean log:1e-3:1:8?"),
    ("sweep learning_rate=linspace:0.1:1:8", "did you mean lin:0.1:1:8?"),
    (f"sweep seed=range:0 {RATE}", "axis 'seed' is empty"),
    (f"sweep seed=range:5:1 {RATE}", "axis 'seed' is empty"),
    (f"sweep seed=range:0:5:0 {RATE}", "cannot read"),
    (f"sweep seed=range:1.5 {RATE}", "cannot read"),
    (f"sweep seed=range: {RATE}", "cannot read"),
    (f"sweep seed=rnage:4 {RATE}", "did you mean range:4?"),
    (
        "sweep learning_rate=log:1e-3:1:100000000",
        "has 100,000,000 values; a sweep has at most 16,777,216 runs",
    ),
    (f"sweep seed=range:1000000000 {RATE}", "at most 16,777,216 runs, got 1,000,000,000"),
    ("sweep learning_rate=log:1e-3:1:10000 seed=range:10000", "got 10,000 * 10,000 = 100,000,000"),
]

NAMES = [
    ("sweep lr=0.1", "unknown axis 'lr'; did you mean 'learning_rate'?"),
    ("sweep eta=0.1", "unknown axis 'eta'; did you mean 'learning_rate'?"),
    ("sweep learnign_rate=0.1", "unknown axis 'learnign_rate'; did you mean 'learning_rate'?"),
    ("sweep Learning_Rate=0.1", "unknown axis 'Learning_Rate'; did you mean 'learning_rate'?"),
    ("sweep depth=1", "a sweep needs the axis learning_rate, such as learning_rate=log:1e-3:1:8; got depth"),
    (f"sweep depht=1 {RATE}", "unknown axis 'depht'; did you mean 'depth' or 'dropout'?"),
    (f"sweep layers=1 {RATE}", "unknown axis 'layers'; did you mean 'depth'?"),
    (f"sweep units=1 {RATE}", "unknown axis 'units'; did you mean 'width'?"),
    (f"sweep wd=0.1 {RATE}", "unknown axis 'wd'; did you mean 'weight_decay'?"),
    (f"sweep bs=5 {RATE}", "unknown axis 'bs'; did you mean 'batch_size'?"),
    (f"sweep mu=0.5 {RATE}", "unknown axis 'mu'; did you mean 'momentum'?"),
    ("sweep momentm=0.5", "unknown axis 'momentm'; did you mean 'momentum'?"),
    (f"sweep bias=no {RATE}", "unknown axis 'bias'; did you mean 'use_bias'?"),
    (f"sweep seeds=1 {RATE}", "unknown axis 'seeds'; did you mean 'seed'"),
    (f"sweep optimizer=Adam {RATE}", "unknown optimizer 'Adam'; did you mean 'adam'"),
    (f"sweep optimizer=2 {RATE}", "axis 'optimizer' takes a name, got 2"),
    (f"sweep optimizer=adam momentum=0.9 {RATE}", "unknown axis 'momentum'"),
    (f"sweep optimizer=adam beta1=0.9 {RATE}", "unknown axis 'beta1'; did you mean 'b1'?"),
    (f"sweep optimizer=lion nesterov=yes {RATE}", "unknown argument of lion 'nesterov'"),
    (f"sweep opt=adam {RATE}", "unknown axis 'opt'; did you mean 'optimizer'?"),
    (f"sweep warmup=0.1 {RATE}", "unknown axis 'warmup'; did you mean 'warmup_fraction'?"),
    (
        f"sweep batch_norm=yes {RATE}",
        "unknown axis 'batch_norm'; mlp_recipe does not support it; write a recipe in Python",
    ),
    (f"sweep schedule=cosin {RATE}", "unknown schedule 'cosin'; did you mean 'cosine'?"),
    (f"sweep steps=10,20 {RATE}", "unknown axis 'steps'; the axis is called 'num_steps'"),
    (
        f"sweep epochs=10 {RATE}",
        "unknown axis 'epochs'; the axis of the length of training is 'num_steps'",
    ),
    (f"sweep dataset=iris {RATE}", "unknown axis 'dataset'; the data set is the same for all runs"),
    (f"sweep activation=ReLU {RATE}", "unknown activation 'ReLU'; did you mean 'relu'? (one of:"),
    (f"sweep activation=rleu {RATE}", "unknown activation 'rleu'; did you mean 'relu'"),
    (f"sweep activation=swish {RATE}", "unknown activation 'swish'; did you mean 'silu'?"),
    (f"sweep activation=xyz {RATE}", "unknown activation 'xyz' (one of:"),
    (f"sweep activation=2 {RATE}", "axis 'activation' takes a name, got 2"),
    (f"sweep initializer=he {RATE}", "unknown initializer 'he'; did you mean 'he_normal'"),
    (f"sweep initializer=xavier {RATE}", "did you mean 'glorot_normal'"),
    (f"sweep initializer=He_Normal {RATE}", "did you mean 'he_normal'?"),
    (f"sweep parameterization=muP {RATE}", "muP is called 'mup' in mlp_recipe"),
    (f"sweep base_width=32 {RATE}", "base_width is only read by parameterization 'mup', got 'standard'"),
    (f"sweep parameterization=mup base_width=0 {RATE}", "base_width must be at least 1, got 0"),
    (f"sweep parameterization=NTK {RATE}", "did you mean 'ntk'?"),
    (f"sweep loss=ce {RATE}", "unknown loss 'ce'; did you mean 'cross_entropy'?"),
    (f"sweep loss=MSE {RATE}", "unknown loss 'MSE'; did you mean 'mse'"),
    (f"sweep order=random {RATE}", "unknown order of batches 'random'"),
    (f"sweep order=Shuffled {RATE}", "did you mean 'shuffled'?"),
    (f"sweep test_loss=1 {RATE}", "unknown axis 'test_loss'"),
]

NUMBERS = [
    ("sweep learning_rate=-0.1", "learning_rate must be a positive finite number, got -0.1"),
    ("sweep learning_rate=0", "learning_rate must be a positive finite number, got 0"),
    ("sweep learning_rate=nan", "axis 'learning_rate' holds nan"),
    ("sweep learning_rate=inf", "axis 'learning_rate' holds inf"),
    ("sweep learning_rate=1e-60", "learning_rate is 1e-60, which is 0 in float32"),
    ("sweep learning_rate=1e39", "learning_rate is 1e+39, which is infinite in float32"),
    ("sweep learning_rate=true", "learning_rate must be a positive finite number, got True"),
    ("sweep learning_rate=fast", "axis 'learning_rate' takes numbers, got 'fast'"),
    (f"sweep momentum=1.5 {RATE}", "momentum must be a number from 0 to below 1, got 1.5"),
    (f"sweep momentum=-0.5 {RATE}", "momentum must be a number from 0 to below 1, got -0.5"),
    (f"sweep momentum=1 {RATE}", "momentum must be a number from 0 to below 1, got 1"),
    (f"sweep momentum=high {RATE}", "axis 'momentum' takes numbers, got 'high'"),
    (f"sweep momentum=no {RATE}", "momentum must be a number"),
    (f"sweep weight_decay=-1 {RATE}", "weight_decay must be a finite number of at least 0, got -1"),
    (f"sweep optimizer=adam b1=1 {RATE}", "b1 must be a number from 0 to below 1, got 1"),
    (f"sweep optimizer=adam eps=-1 {RATE}", "eps must be a finite number of at least 0, got -1"),
    (f"sweep warmup_fraction=2 {RATE}", "warmup_fraction must be a number from 0 to 1, got 2"),
    (f"sweep max_norm=0 {RATE}", "max_norm must be a positive number, got 0"),
    (f"sweep max_norm=none {RATE}", "axis 'max_norm' cannot be 'none'; leave the axis out"),
    (f"sweep seed=-1 {RATE}", "seed must be an integer from 0 to 2147483647, got -1"),
    (f"sweep seed=0.5 {RATE}", "seed must be an integer from 0 to 2147483647, got 0.5"),
    (f"sweep seed=4.0 {RATE}", "seed must be an integer from 0 to 2147483647, got 4.0"),
    (f"sweep seed=5000000000 {RATE}", "seed is 5000000000, which does not fit int32"),
    (f"sweep seed=99999999999999999999 {RATE}", "does not fit 64 bits"),
    (f"sweep seed=abc {RATE}", "axis 'seed' takes numbers, got 'abc'"),
    (f"sweep data_seed=-1 {RATE}", "data_seed must be an integer from 0"),
    (f"sweep use_bias=maybe {RATE}", "axis 'use_bias' takes true or false, got 'maybe'"),
    (f"sweep use_bias=0.5 {RATE}", "axis 'use_bias' takes true or false, got 0.5"),
    (f"sweep use_bias=0 {RATE}", "axis 'use_bias' takes true or false, got 0"),
    (f"sweep nesterov=1 momentum=0.5 {RATE}", "axis 'nesterov' takes true or false, got 1"),
    (f"sweep nesterov=true {RATE}", "nesterov needs a momentum, such as momentum=0.9"),
    (f"sweep keep_best=val_loss {RATE}", "'val_loss'; did you mean 'validation_loss'"),
    (f"sweep keep_best=validation_loss {RATE}", "needs a validation split"),
    (f"sweep depth=-1 {RATE}", "depth must be the number of hidden layers, from 0 to 10000; got -1"),
    (f"sweep depth=2.5 {RATE}", "axis 'depth' takes an integer, got 2.5"),
    (f"sweep depth=100000 {RATE}", "depth must be the number of hidden layers, from 0 to 10000"),
    (f"sweep depth=deep {RATE}", "axis 'depth' takes an integer, got 'deep'"),
    (f"sweep width=0 {RATE}", "width must be a positive integer, got 0"),
    (f"sweep width=64.0 {RATE}", "axis 'width' takes an integer, got 64.0"),
    (f"sweep width=1000000000 {RATE}", "use a smaller network"),
    (f"sweep width=1000000000 depth=1 activation=tanh {RATE}", "use a smaller network"),
    (f"sweep width=30000000000 {RATE}", "too large"),
    (f"sweep batch_size=0 {RATE}", "batch_size must be a positive integer"),
    (f"sweep batch_size=-5 {RATE}", "batch_size must be a positive integer"),
    (f"sweep batch_size=all {RATE}", "batch_size must be a positive integer or 'full', got 'all'"),
    (f"sweep batch_size=none {RATE}", "write batch_size=full"),
    (f"sweep batch_size=1000 {RATE}", "larger than the 120 training examples"),
    (
        f"sweep batch_size=5000000000000 order=with_replacement {RATE}",
        "use a smaller network, batch or data set",
    ),
    ("sweep --dataset diabetes loss=cross_entropy learning_rate=0.1", "needs classes or probabilities"),
    (f"plan momentum=1.5 {RATE}", "momentum must be a number from 0 to below 1, got 1.5"),
    (f"plan seed=0.5 {RATE}", "seed must be an integer"),
    (f"plan width=1000000000 {RATE}", "use a smaller network"),
]


@mistakes(FORMS, NAMES, NUMBERS, at_least=120)
def test_invalid_input_is_refused_in_one_line(line, phrase, place, capsys):
    check_answer(line, phrase, place, capsys)


def test_axes_match_the_recipe():
    data = fn.load_dataset("iris")
    recipe = fn.mlp_recipe(data)
    names = {*inspect.signature(recipe).parameters, "seed", "data_seed", "num_steps"}  # what every task has
    for optimizer, schedule in itertools.zip_longest(OPTIMIZERS, SCHEDULES, fillvalue="constant"):
        hparams = fn.Hparams({"learning_rate": 0.1, "num_steps": 10})
        recipe(optimizer=optimizer, schedule=schedule).check(hparams)
        names |= hparams.names_read
    assert names >= set(AXES) > set(inspect.signature(recipe).parameters)


def test_help_lists_optimizers_and_schedules():
    words = set(re.findall(r"\w+", AXES_HELP))
    assert words >= {*OPTIMIZERS, *SCHEDULES, *AXES}
