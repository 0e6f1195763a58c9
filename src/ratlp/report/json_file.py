"""How every command writes JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

RESULTS: Final = "results.json"
"""The file that lists all others."""


def json_bytes(content: Mapping[str, Any]) -> bytes:
    """A file of JSON: indented, in the order given, UTF-8; what JSON cannot hold, as NaN, is an error.

    Example:
        >>> json_bytes({"n": 1}).split()
        [b'{', b'"n":', b'1', b'}']
    """
    return f"{json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)}\n".encode()


def with_results(
    files: Mapping[str, bytes], content: Mapping[str, Any], *, last: Sequence[str] = ()
) -> dict[str, bytes]:
    """Files by name, and with them `results.json`, which lists them all as `files`.

    Args:
        files: All others.
        content: What else `results.json` holds.
        last: Its long parts, in their order: they come after `files`.

    Example:
        >>> found = with_results({"report.html": b"..."}, {"samples": [0, 1], "clean": 0.5}, last=["samples"])
        >>> json.loads(found["results.json"])
        {'clean': 0.5, 'files': ['report.html', 'results.json'], 'samples': [0, 1]}
    """
    short = {key: value for key, value in content.items() if key not in last}
    whole = {**short, "files": sorted([*files, RESULTS]), **{key: content[key] for key in last}}
    return {**files, RESULTS: json_bytes(whole)}
