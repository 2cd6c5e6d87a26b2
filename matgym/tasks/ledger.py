"""The ledger: every evaluation counted, by kind, with the time it took."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Ledger:
    """What has been spent.

    Attributes:
        counts: evaluations by kind: "surrogate", "oracle".
        seconds: wall seconds by kind.
        failures: designs without a value, by the name of the model or reward function that had none.
    """

    counts: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    failures: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def charge(self, kind: str, evaluations: int) -> Iterator[None]:
        """Count evaluations and the time of the block; a failed block counts, too: it was paid for."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.counts[kind] += evaluations
            self.seconds[kind] += time.perf_counter() - start

    def as_dict(self) -> dict[str, dict[str, float]]:
        """Plain form for records."""
        return {kind: {"evaluations": self.counts[kind], "seconds": self.seconds[kind]} for kind in self.counts}
