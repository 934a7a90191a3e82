"""Reading, checking and lowering the whole demonstration pack, after imports.

.venv/bin/python benchmarks/check.py
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from sancha.engine.policy.lower import lower
from sancha.engine.policy.pack import load_pack

PACK = Path(__file__).resolve().parent.parent / "rules"


def main() -> None:
    checked, lowered = [], []
    for _ in range(11):
        start = time.perf_counter()
        pack = load_pack(PACK)
        checked.append(time.perf_counter() - start)
        start = time.perf_counter()
        lower(pack)
        lowered.append(time.perf_counter() - start)
    print(
        f"{len(pack.rules)} rules, {len(pack.decisions)} decisions and tables, medians of {len(checked)} rounds"
    )
    print(f"read and checked   {statistics.median(checked):6.2f} s")
    print(f"lowered to a plan  {statistics.median(lowered):6.2f} s")


if __name__ == "__main__":
    main()
