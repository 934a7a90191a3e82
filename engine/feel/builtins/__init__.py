"""The built-in functions of the full language; importing the package fills the table."""

from __future__ import annotations

import importlib

from sancha.engine.feel.builtins.registry import BUILTINS, Builtin, FeelError

for _module in ("conversions", "numbers", "texts", "lists", "contexts", "ranges", "temporal"):
    importlib.import_module(f"{__name__}.{_module}")

__all__ = ["BUILTINS", "Builtin", "FeelError", "names"]


def names() -> frozenset[str]:
    """The names of all built-in functions."""
    return frozenset(BUILTINS)
