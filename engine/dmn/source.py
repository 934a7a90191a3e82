"""The text of a model's file, for messages: what stands on a line, and where in it."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from sancha.engine.diagnostics import Place
from sancha.engine.dmn import model as m

_DECLARED = re.compile(rb"""(?:\xef\xbb\xbf)?<\?xml[^>]*\bencoding\s*=\s*["']([\w.:-]+)["']""")


def source_lines(data: bytes) -> list[str]:
    """The lines of a file of XML, in the encoding that it declares; what cannot be read stands as `\ufffd`."""
    encoding = "utf-8"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif (declared := _DECLARED.match(data[:1_000])) is not None:
        encoding = declared[1].decode("ascii")
    try:
        text = data.decode(encoding, "replace")
    except LookupError:
        text = data.decode("utf-8", "replace")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")


class Sources:
    """The lines of the files of a model, for messages."""

    def __init__(self) -> None:
        self.files: dict[Path, list[str]] = {}

    def place(self, path: Path, text: m.Text, start: int, end: int) -> Place:
        """The place in the file of a span of a text."""
        before = text.text[:start]
        line = text.line + before.count("\n")
        first = before.rfind("\n") + 1
        last = text.text.find("\n", start)
        whole = text.text[first : last if last >= 0 else None].rstrip("\r")
        source = self.line(path, line)
        at = source.find(whole) if whole.strip() else -1
        if at < 0 and whole.strip():
            # Signs that XML escapes stand otherwise in the file.
            escaped = whole.replace("&", "&amp;").replace("<", "&lt;")
            at = source.find(escaped)
            if at < 0:
                at = source.find(escaped.replace(">", "&gt;"))
        column = at + 1 + (start - first) if at >= 0 else len(source) - len(source.lstrip()) + 1
        return Place(str(path), line, column, max(1, end - start), source)

    def line(self, path: Path, number: int) -> str:
        if path not in self.files:
            try:
                self.files[path] = source_lines(path.read_bytes())
            except OSError:
                self.files[path] = []
        lines = self.files[path]
        return lines[number - 1] if 0 < number <= len(lines) else ""
