"""The command `ratlp`: one file a subcommand. Nothing in the library imports it."""

import sys
from collections.abc import Sequence
from typing import NoReturn

from ratlp.errors import MissingExtraError, RatlpError

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit: 0 when done, 2 on bad input (one line on stderr), 130 when interrupted."""
    try:
        sys.exit(_run(arguments))
    except RatlpError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        print("ratlp: interrupted; results are written whole or not at all", file=sys.stderr)  # noqa: T201
        sys.exit(_INTERRUPTED)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        from typer import TyperException
    except ImportError:
        raise MissingExtraError("typer", "cli") from None
    from ratlp.cli.app import app

    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        code: int = app(given or ["--help"], prog_name="ratlp", standalone_mode=False) or 0
    except TyperException as error:
        _fail(f"{error.format_message()} Run ratlp --help.")
    if code == _INTERRUPTED:  # typer has turned the interrupt into its exit code
        raise KeyboardInterrupt
    return code


def _fail(message: str) -> NoReturn:
    print(f"ratlp: error: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201
    sys.exit(2)
