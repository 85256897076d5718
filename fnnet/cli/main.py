"""The entry point of the command line: `fnnet sweep --dataset digits depth=1,2,4 learning_rate=log:1e-3:1:8`."""

import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Sequence

import tyro

import fnnet
from fnnet.cli import own_recipe, usage
from fnnet.cli.axes import AXES
from fnnet.cli.commands import plan, sweep
from fnnet.cli.store_commands import export, merge, predict, verify
from fnnet.errors import InputError
from fnnet.sweeps.interrupt import ignore_signals, raised_signals

COMMANDS = {command.__name__: command for command in (sweep, plan, merge, verify, export, predict)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line.

    Failures are reported in one line on stderr. The exit code is 2 for invalid input, 1 for a system error or
    runs that were given up, and 128 plus the signal's number after a signal: 130 for Ctrl-C, 143 for SIGTERM.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with raised_signals():
            _run(words)
            sys.stdout.flush()
    except InputError as error:
        sys.stderr.write(f"fnnet: {usage.with_options(str(error))}\n")
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
        where = error.filename or "a file"
        advice = "; remove it" if error.errno in (errno.EISDIR, errno.ELOOP) else ""
        sys.stderr.write(f"fnnet: cannot {verb} {where}: {error.strerror or error}{advice}{_kept(words)}\n")
        sys.exit(1)


def _kept(words: list[str]) -> str:
    if {"-h", "--help"} & set(words):
        return ""
    return {
        "sweep": "; finished runs are kept, and the same command resumes the sweep",
        "merge": "; the same command completes the merge",
    }.get("".join(words[:1]), "")


def _run(words: list[str]) -> None:
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    if words == ["--version"]:
        print(f"fnnet {fnnet.__version__}")
    elif not words or words[0] in ("--help", "-h"):
        print(usage.overview(COMMANDS, fnnet.__version__), file=sys.stdout if words else sys.stderr)
        if not words:
            sys.exit(2)
    else:
        usage.check_usage(words, COMMANDS, AXES)
        if "--help" not in words and "-h" not in words:
            tyro.extras.subcommand_cli_from_dict(COMMANDS, args=words, prog="fnnet")
            return
        text = io.StringIO()  # not a terminal, so help is plain text
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
            tyro.extras.subcommand_cli_from_dict(COMMANDS, args=words, prog="fnnet")
        shown = usage.tidy(text.getvalue())
        if words[0] in ("sweep", "plan") and (path := own_recipe.path_in(words)) is not None:
            shown = f"{own_recipe.describe(path, words)}\n\n{usage.without_own_axes(shown)}"
        print(shown)
