"""Why an expression of the full language has no value."""

from __future__ import annotations


class FeelError(Exception):
    """Why a built-in or an operator gives null: the evaluator turns it into null and a warning of this `kind`."""

    def __init__(self, message: str, kind: str = "invalid argument") -> None:
        super().__init__(message)
        self.message, self.kind = message, kind
