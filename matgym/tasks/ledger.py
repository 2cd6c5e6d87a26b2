"""The ledger: counts of evaluations by kind, with their duration."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Ledger:
    """Counts and durations of evaluations.

    Attributes:
        counts: number of evaluations by kind, such as "surrogate" or "oracle".
        seconds: wall-clock time by kind, s.
        failures: number of designs without a value, by the name of the model or reward function that failed.
    """

    counts: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    failures: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def charge(self, kind: str, evaluations: int) -> Iterator[None]:
        """Count evaluations and the duration of the block; a block that raises an error counts, too."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.counts[kind] += evaluations
            self.seconds[kind] += time.perf_counter() - start

    def as_dict(self) -> dict[str, dict[str, float]]:
        """Return counts and durations as a plain dictionary for records."""
        return {kind: {"evaluations": self.counts[kind], "seconds": self.seconds[kind]} for kind in self.counts}
