"""An expression of the full language, compiled: its value, and why what is null is null."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sancha.engine.feel import core as c
from sancha.engine.feel import syntax as s
from sancha.engine.feel.full import Problem, resolve
from sancha.engine.feel.kinds import Kind
from sancha.engine.feel.parser import parse_dmn, parse_dmn_tests
from sancha.engine.run.operations import Listening, Warning, guarded
from sancha.engine.run.to_python import compile_core

__all__ = ["Problem", "Program", "Result", "Warning", "compile_dynamic", "compile_text", "test_text"]


@dataclass(frozen=True, slots=True)
class Result:
    """A value of FEEL, and the warnings of the run; those of functions that the value holds come when they run."""

    value: Any
    warnings: tuple[Warning, ...]


class Program:
    """A compiled expression. `problems` are defects that are sure before it runs."""

    def __init__(
        self, core: c.Core, names: Iterable[str], problems: tuple[Problem, ...], site: c.Site
    ) -> None:
        self.names = tuple(names)
        self.problems = problems
        self._site = site
        self._run = compile_core(core)

    def run(self, values: Mapping[str, Any]) -> Result:
        """The value for these values of the names in scope; names without a value are null."""
        with Listening() as found:
            value = self.value(values)
        return Result(value, tuple(found))

    def value(self, values: Mapping[str, Any]) -> Any:
        """The value alone: its warnings go to whoever listens."""
        facts = {name: values.get(name) for name in self.names}
        return guarded(self._site, self._run, facts, {}, {}, None)


def compile_dynamic(
    tree: s.Node,
    names: Iterable[str],
    types: Mapping[str, Kind] | None = None,
    place: str = "",
    text: str = "",
) -> Program:
    """Compiles a syntax tree of the full language. `names` are in scope, `types` are those of the model.

    `place` and `text` say where spans outside of any `Located` point.
    """
    names = tuple(names)
    resolved = resolve(tree, names, types, place, text)
    return Program(resolved.core, names, resolved.problems, c.Site(place, text, tree.span))


def compile_text(
    text: str, names: Iterable[str] = (), types: Mapping[str, Kind] | None = None, keys: Iterable[str] = ()
) -> Program:
    """Compiles an expression of the full language. `keys` are those of contexts that it may reach.

    Raises FeelSyntaxError.
    """
    names = tuple(names)
    return compile_dynamic(parse_dmn(text, [*names, *keys]), names, types, "", text)


def test_text(text: str, names: Iterable[str] = (), types: Mapping[str, Kind] | None = None) -> Program:
    """Compiles a cell: unary tests of the value named `?`. Raises FeelSyntaxError."""
    names = ("?", *names)
    return compile_dynamic(parse_dmn_tests(text, names), names, types, "", text)
