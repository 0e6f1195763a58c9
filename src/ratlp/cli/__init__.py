"""The command `ratlp`: one file a subcommand. Nothing in the library imports it."""

import sys
from collections.abc import Sequence
from typing import NoReturn

from ratlp.errors import MissingExtraError, RatlpError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit: 0 when done, 2 on bad input (one line on stderr), 130 when interrupted."""
    try:
        sys.exit(_run(arguments))
    except RatlpError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        print("ratlp: interrupted; no result was written", file=sys.stderr)  # noqa: T201
        sys.exit(130)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        from typer import Exit, TyperException
    except ImportError:
        raise MissingExtraError("typer", "cli") from None
    from ratlp.cli.app import app

    try:
        return app(arguments, prog_name="ratlp", standalone_mode=False) or 0
    except TyperException as error:
        _fail(f"{error.format_message()} Run ratlp --help.")
    except Exit as exit_:
        return exit_.exit_code


def _fail(message: str) -> NoReturn:
    print(f"ratlp: error: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201
    sys.exit(2)
