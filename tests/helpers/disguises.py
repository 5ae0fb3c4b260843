"""Ways to write a key so that a search for it finds nothing."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from urllib.parse import quote


def _lines(text: str) -> str:
    return "\n".join(text[at : at + 7] for at in range(0, len(text), 7))


def _each(form: str, between: str = "") -> Callable[[str], str]:
    return lambda key: between.join(form.format(ord(letter)) for letter in key)


def _base64(before: str, after: str = "") -> Callable[[str], str]:
    return lambda key: base64.b64encode(f"{before}{key}{after}".encode()).decode()


DISGUISES: dict[str, Callable[[str], str]] = {
    "plain": str,
    "upper": str.upper,
    "base64": _base64(""),
    "base64 of a header": _base64("Bearer "),
    "base64 at one": _base64("a", "zz"),
    "base64 at two": _base64("key=", "!"),
    "base64 in lines": lambda key: _lines(_base64("the key is ", ", sir")(key)),
    "base64 for addresses": lambda key: base64.urlsafe_b64encode(f"??{key}".encode()).decode(),
    "base64 of two bytes each": lambda key: base64.b64encode(key.encode("utf-16-le")).decode(),
    "base32": lambda key: base64.b32encode(f"abc{key}".encode()).decode(),
    "percent": _each("%{:02x}"),
    "percent twice": _each("%25{:02X}"),
    "percent three times": _each("%2525{:02X}"),
    "hex": _each("{:02x}"),
    "hex with colons": _each("{:02X}", ":"),
    "hex as numbers": _each("0x{:02x}", ", "),
    "decimals": _each("{}", ","),
    "\\\\x": _each("\\x{:02x}"),
    "\\\\u": _each("\\u{:04x}"),
    "\\\\u{}": _each("\\u{{{:x}}}"),
    "octal": _each("\\{:03o}"),
    "entities": _each("&#{};"),
    "entities in hex": _each("&#x{:x};"),
    "entities twice": lambda key: html.escape(_each("&#{};")(key)),
    "percent of entities": lambda key: quote(_each("&#{};")(key)),
    "nul between": lambda key: "\0".join(key),
    "spaces between": lambda key: " ".join(key),
    "zero width": lambda key: "\u200b".join(key),
    "full width": lambda key: "".join(chr(ord(letter) + 0xFEE0) for letter in key),
}
"""By name, what writes a key."""
