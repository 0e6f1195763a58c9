"""How every command writes JSON."""

import json
from collections.abc import Mapping
from typing import Any


def json_bytes(content: Mapping[str, Any]) -> bytes:
    """A file of JSON: indented, in the order given, UTF-8; what JSON cannot hold, as NaN, is an error.

    Example:
        >>> json_bytes({"n": 1}).split()
        [b'{', b'"n":', b'1', b'}']
    """
    return f"{json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)}\n".encode()
