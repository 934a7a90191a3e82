"""Sancha 三查: credit policy as rules, replayed against loan files.

In a checkout, `engine`, `audit`, `surveys`, `rules`, `features` and `cli.py` stand beside this folder;
in an installed wheel they stand inside it. Either way they are imported as `sancha.engine` and so on.
"""

from pathlib import Path

__version__ = "0.1.0"

_checkout = Path(__file__).resolve().parent.parent
if (_checkout / "pyproject.toml").is_file():
    __path__.append(str(_checkout))
