"""Walks through a JSON document of any size with flat memory, and says at which byte each value stands.

JSON libraries for streams don't tell byte positions, which is what lets an image inside a document be read later
without the rest. What is passed over is only looked at for quotes and brackets.
"""

import json
import re
from collections.abc import Iterator
from typing import IO, Any

_PIECE = 1 << 20
_MOST_BYTES = 64 << 20  # of one value that is taken into memory
_BLANK = re.compile(rb"[ \t\r\n]*")
# Up to the next bracket, or the quote of a text that doesn't end in the bytes at hand.
_FLAT = re.compile(rb'(?:[^"\[\]{}]*+"[^"\\]*+(?:\\(?s:.)[^"\\]*+)*+")*+[^"\[\]{}]*+')
_SCALAR = re.compile(rb"[^\s,:\"\[\]{}]*")
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
_BOM = b"\xef\xbb\xbf"


class BrokenJson(ValueError):
    """The document ends too early or isn't JSON, at byte ``position``."""

    def __init__(self, why: str, position: int, *, cut: bool = False) -> None:
        """Keeps where and why; ``cut`` when the document just ends."""
        super().__init__(why)
        self.position, self.cut = position, cut


class JsonStream:
    """A document while it is walked through: each value is taken, passed over or entered once, in order.

    All methods raise BrokenJson where the document is cut off or isn't JSON, and OSError like the stream.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        """Starts at the first byte of a stream; a BOM is passed over."""
        self._stream, self._buffer, self._at, self._base = stream, b"", 0, 0
        self._mark: int | None = None
        if self._more() and self._buffer.startswith(_BOM):
            self._at = len(_BOM)

    @property
    def position(self) -> int:
        """Byte in the document at which the walk stands."""
        return self._base + self._at

    def peek(self) -> bytes:
        """The first byte of the next value or sign."""
        while True:
            first = self._buffer[self._at : self._at + 1]
            if first and first not in b" \t\r\n":
                return first
            blank = _BLANK.match(self._buffer, self._at)
            self._at = blank.end() if blank else self._at
            if self._at == len(self._buffer):
                self._need_more()

    def members(self) -> Iterator[str]:
        """Enters an object: its keys, each with the walk standing before the value, which must then be taken."""
        self._take(b"{")
        if self.peek() == b"}":
            self._at += 1
            return
        while True:
            if self.peek() != b'"':
                raise BrokenJson("no key where one should stand", self.position)
            key = str(self.value())
            self._take(b":")
            yield key
            if self._take(b",}") == b"}":
                return

    def elements(self) -> Iterator[None]:
        """Enters an array: once for each element, with the walk standing before it."""
        self._take(b"[")
        if self.peek() == b"]":
            self._at += 1
            return
        while True:
            yield None
            if self._take(b",]") == b"]":
                return

    def value(self) -> Any:
        """Takes the next value: numbers stay as the text they are."""
        self.peek()
        self._mark = self._at
        try:
            self.skip()
            start, data = self._base + self._mark, self._buffer[self._mark : self._at]
        finally:
            self._mark = None
        try:
            return _DECODER.decode(data.decode("utf-8", errors="surrogatepass"))
        except json.JSONDecodeError as error:
            raise BrokenJson(error.msg, start + error.pos) from None
        except (ValueError, RecursionError) as error:
            raise BrokenJson(str(error), start) from None

    def text_place(self) -> tuple[int, int, bool] | None:
        """Passes over the next value: first byte and bytes of its text, and whether it holds a backslash.

        None where the value is no text.
        """
        if self.peek() != b'"':
            self.skip()
            return None
        start = self.position + 1
        escaped = self._skip_text()
        return start, self.position - 1 - start, escaped

    def skip(self) -> None:
        """Passes over the next value."""
        first = self.peek()
        if first == b'"':
            self._skip_text()
        elif first in b"[{":
            self._skip_brackets()
        else:
            self._skip_scalar()

    def _skip_text(self) -> bool:
        self._at += 1
        escaped = False
        while True:
            end = self._buffer.find(b'"', self._at)
            slash = self._buffer.find(b"\\", self._at, end if end >= 0 else len(self._buffer))
            if slash >= 0 and slash + 1 < len(self._buffer):
                escaped, self._at = True, slash + 2
            elif slash < 0 <= end:
                self._at = end + 1
                return escaped
            else:
                self._at = slash if slash >= 0 else len(self._buffer)
                self._need_more()

    def _skip_brackets(self) -> None:
        depth = 0
        while True:
            flat = _FLAT.match(self._buffer, self._at)
            self._at = flat.end() if flat else self._at
            sign = self._buffer[self._at : self._at + 1]
            if not sign:
                self._need_more()
            elif sign == b'"':
                self._skip_text()
            else:
                self._at += 1
                depth += 1 if sign in b"[{" else -1
                if depth == 0:
                    return

    def _skip_scalar(self) -> None:
        start = self.position
        while True:
            found = _SCALAR.match(self._buffer, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._buffer) or not self._more():
                break
        if self.position == start:
            raise BrokenJson("no value where one should stand", start)

    def _take(self, signs: bytes) -> bytes:
        sign = self.peek()
        if sign not in signs:
            raise BrokenJson(f"no {' or '.join(signs.decode())} where one should stand", self.position)
        self._at += 1
        return sign

    def _need_more(self) -> None:
        if not self._more():
            raise BrokenJson("the document ends too early", self.position, cut=True)

    def _more(self) -> bool:
        """Reads on; forgets what was passed over, but for a value that is being taken."""
        piece = self._stream.read(_PIECE)
        kept = self._at if self._mark is None else self._mark
        if self._mark is not None:
            if len(self._buffer) - kept > _MOST_BYTES:
                raise BrokenJson(f"a value of more than {_MOST_BYTES} bytes", self._base + kept)
            self._mark = 0
        self._buffer = self._buffer[kept:] + piece
        self._base, self._at = self._base + kept, self._at - kept
        return bool(piece)
