"""The documents hold: their links lead somewhere, and the tutorials' commands print what the tutorials show.

A tutorial is run block by block in an empty folder. In its Markdown, a comment before a block says what it
is: `<!-- file: PATH -->` writes it, `<!-- append: PATH -->` adds it at the end, `<!-- change: PATH -->`
applies the `-` and `+` lines of a diff. A block `console` is run, unless the comment is `<!-- not run -->`.
A line `…` in its output stands for any lines, `…` within a line for any text.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TUTORIALS = [
    ROOT / "docs" / name for name in ("tutorial-policy-owner.md", "tutorial-auditor.md", "impact.md")
]
COMMENT = r"(?:<!-- (?P<verb>[\w ]+)(?:: (?P<path>.+?))? -->\n)?"
BLOCK = re.compile(COMMENT + r"```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: `verb` and `path` of the comment before it, its language, its text, its first line."""

    verb: str | None
    path: str | None
    kind: str
    text: str
    line: int


def blocks(document: Path) -> Iterator[Block]:
    text = document.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("text")) + 1
        yield Block(found["verb"], found["path"], found["kind"], found["text"], line)


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with the output shown below it."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        while command.endswith("\\") or command.count('"') % 2:
            more, _, output = output.partition("\n")
            command = f"{command}\n{more}"
        yield command, output


def run(command: str, folder: Path) -> str:
    """What a command prints, errors included, as a person sees it who has `sancha` on the path."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }
    both = f"exec 2>&1\n{command}"
    done = subprocess.run(["sh", "-c", both], cwd=folder, capture_output=True, env=environment)
    return re.sub(r"[ \t]+$", "", done.stdout.decode().strip("\n"), flags=re.MULTILINE)


def shown(output: str) -> re.Pattern[str]:
    """The output in a document as a pattern."""
    pattern = ""
    for line in output.rstrip("\n").splitlines():
        if line.strip() == "…":
            pattern += r"(?:.*\n)*"
        else:
            pattern += ".*?".join(map(re.escape, line.rstrip().split("…"))) + r"\n"
    return re.compile(pattern + r"\n*")


def follow(block: Block, folder: Path) -> None:
    """Writes the file that a block shows."""
    assert block.path is not None
    path = folder / block.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if block.verb == "file":
        path.write_text(block.text, encoding="utf-8")
    elif block.verb == "append":
        path.write_text(path.read_text(encoding="utf-8").rstrip("\n") + "\n" + block.text, encoding="utf-8")
    else:
        assert block.verb == "change", f"line {block.line}: what is `{block.verb}`?"
        lines = block.text.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        text = path.read_text(encoding="utf-8")
        found = text.count(old)
        assert found == 1, f"line {block.line}: the text to change stands {found} times in {path}"
        path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    absent = [link for link in links if not (document.parent / link.partition("#")[0]).exists()]
    assert not absent, f"{document.name} links to {absent}"


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda p: p.stem)
def test_the_tutorial_prints_what_it_shows(tutorial: Path, tmp_path: Path) -> None:
    ran = 0
    for block in blocks(tutorial):
        if block.path is not None:
            follow(block, tmp_path)
        elif block.kind == "console" and block.verb != "not run":
            for command, output in commands(block):
                printed = run(command, tmp_path)
                same = shown(output).fullmatch(f"{printed}\n") is not None
                assert same, f"line {block.line}: `{command}` prints\n{printed}\ninstead of\n{output}"
                ran += 1
    assert ran > 0
