"""The output of a command, kept up to a cap: the first half, the last half, and a line between them that says what was dropped."""

from __future__ import annotations


class Capture:
    """Takes any number of bytes and holds at most `cap` of them."""

    def __init__(self, cap: int) -> None:
        self.dropped_bytes = 0
        """What lay between the kept halves."""
        self._head_cap = cap - cap // 2
        self._tail_cap = cap // 2
        self._head = bytearray()
        self._tail = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Take what came next."""
        room = self._head_cap - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        if (surplus := len(self._tail) - self._tail_cap) > 0:
            del self._tail[:surplus]
            self.dropped_bytes += surplus

    def text(self) -> str:
        """The kept bytes as UTF-8, what is none replaced."""
        if not self.dropped_bytes:
            return (self._head + self._tail).decode(errors="replace")
        note = f"\n[… {self.dropped_bytes} bytes dropped …]\n"
        return self._head.decode(errors="replace") + note + self._tail.decode(errors="replace")
