"""The entry point of the command line: `fnnet sweep --dataset digits depth=1,2,4 learning_rate=log:1e-3:1:8`."""

import errno
import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

import tyro

import fnnet
from fnnet.cli import help_text, own_recipe, sweep_file, usage
from fnnet.cli.axes import AXES, AXES_HELP
from fnnet.cli.commands.compare import compare
from fnnet.cli.commands.datasets import datasets
from fnnet.cli.commands.doctor import doctor
from fnnet.cli.commands.evaluate import evaluate
from fnnet.cli.commands.export import export
from fnnet.cli.commands.init import init
from fnnet.cli.commands.list_sweeps import list_sweeps
from fnnet.cli.commands.merge import merge
from fnnet.cli.commands.plan import plan
from fnnet.cli.commands.predict import predict
from fnnet.cli.commands.report import report
from fnnet.cli.commands.results import results
from fnnet.cli.commands.search import search
from fnnet.cli.commands.show import show
from fnnet.cli.commands.status import status
from fnnet.cli.commands.sweep import sweep
from fnnet.cli.commands.verify import verify
from fnnet.cli.data_options import DataOptions
from fnnet.cli.engine_options import EngineOptions
from fnnet.cli.formats import FormatOptions
from fnnet.errors import InputError, unknown_name
from fnnet.sweeps.interrupt import ignore_signals, raised_signals

COMMANDS: dict[str, Callable[..., None]] = {
    "init": init,
    "sweep": sweep,
    "plan": plan,
    "search": search,
    "report": report,
    "status": status,
    "results": results,
    "show": show,
    "compare": compare,
    "list": list_sweeps,
    "datasets": datasets,
    "evaluate": evaluate,
    "doctor": doctor,
    "merge": merge,
    "verify": verify,
    "export": export,
    "predict": predict,
}
FILED: dict[str, Callable[..., None]] = {"sweep": sweep, "plan": sweep, "search": search}
"""Commands that accept a file, with the command whose options the file may hold."""
TOPICS: dict[str, Any] = {
    "axes": AXES_HELP,
    "data": DataOptions,
    "engine": EngineOptions,
    "format": FormatOptions,
}
"""Help topics that several commands share, each a text or a dataclass of documented options."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line.

    Errors are reported in one line on stderr. The exit code is 2 for invalid input, 1 for a system error or runs that
    were given up, and 128 plus the signal's number after a signal: 130 for Ctrl-C, 143 for SIGTERM.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(
            errors="backslashreplace"
        )  # as stderr: "±" must not end a sweep in an ASCII terminal
    try:
        with raised_signals():
            if words[:1] and words[0] in FILED:
                words = sweep_file.expand(words, FILED[words[0]], COMMANDS[words[0]])
            if arguments is None:
                sys.argv = ["fnnet", *words]  # which a store records
            _run(words)
            sys.stdout.flush()
    except InputError as error:
        is_of_file = isinstance(error, sweep_file.SweepFileError)
        message = " ".join(str(error).split()) if is_of_file else usage.with_options(str(error))
        sys.stderr.write(f"fnnet: {message}\n")
        sys.exit(1 if isinstance(error, OSError) else 2)
    except KeyboardInterrupt as stop:
        if arguments is None:  # the process exits now, and a second Ctrl-C must not print a traceback
            ignore_signals()
        sys.stderr.write(f"\nfnnet: stopped{_kept(words)}\n")
        sys.exit(128 + getattr(stop, "signum", signal.SIGINT))
    except BrokenPipeError:  # a reader such as `head` has closed stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes stdout again at exit
        if kept := _kept(words):
            sys.stderr.write(f"fnnet: stopped, stdout is closed{kept}\n")
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        verb = "write" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS) else "use"
        where = error.filename2 or error.filename or "a file"  # the target, of a move
        advice = "; remove it" if error.errno in (errno.EISDIR, errno.ELOOP) else ""
        sys.stderr.write(f"fnnet: cannot {verb} {where}: {error.strerror or error}{advice}{_kept(words)}\n")
        sys.exit(1)


def _kept(words: list[str]) -> str:
    if {"-h", "--help"} & set(words):
        return ""
    return {
        "sweep": "; finished runs are kept, and the same command resumes the sweep",
        "search": "; finished runs are kept, and the same command resumes the search",
        "merge": "; the same command completes the merge",
    }.get("".join(words[:1]), "")


def _run(words: list[str]) -> None:
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
        if words[0] not in (*COMMANDS, *TOPICS, "--help", "-h"):
            raise unknown_name("command or topic", words[0], [*COMMANDS, *TOPICS])
    asks_help = not {"-h", "--help"}.isdisjoint(words)
    if words == ["--version"]:
        print(f"fnnet {fnnet.__version__}")
    elif not words or words[0] in ("--help", "-h"):
        print(
            help_text.overview(COMMANDS, TOPICS, fnnet.__version__), file=sys.stdout if words else sys.stderr
        )
        if not words:
            sys.exit(2)
    elif asks_help and words[0] in TOPICS:
        topic = TOPICS[words[0]]
        print(topic if isinstance(topic, str) else help_text.describe_group(topic))
    else:
        usage.check_usage(words, COMMANDS, AXES)
        name, command = words[0], COMMANDS[words[0]]
        if not asks_help:
            tyro.cli(command, args=words[1:], prog=f"fnnet {name}")
            return
        if (path := own_recipe.path_in(words)) is not None:
            print(f"{own_recipe.describe(path, words)}\n")
        print(help_text.describe(name, command))
