"""Text whose UTF-8 bytes were read as Latin-1 or Windows-1252: found, and put right."""

from __future__ import annotations

import re

_WINDOWS = {ord(char): byte for byte in range(0x80, 0xA0) if (char := bytes([byte]).decode("cp1252", errors="replace")) != "�"}
_NEXT = "[\x80-\xbf" + "".join(map(chr, _WINDOWS)) + "]"
_RUN = re.compile(f"[\xc2-\xdf]{_NEXT}|[\xe0-\xef]{_NEXT}{{2}}|[\xf0-\xf4]{_NEXT}{{3}}")


def misread(text: str) -> int:
    """How many characters of a text were split into pieces by the wrong decoder."""
    return sum(_mended(run) != run for run in _RUN.findall(text))


def mended(text: str) -> str:
    """The text with those characters put together again; everything else as it was."""
    return _RUN.sub(lambda found: _mended(found.group()), text)


def _mended(run: str) -> str:
    try:
        return run.translate(_WINDOWS).encode("latin-1").decode()
    except UnicodeError:
        return run
