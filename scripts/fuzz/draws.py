"""Values that the fuzzer draws for the arguments of calls: right ones, and odd ones of the same type."""

from functools import cache
from typing import Any, Final

import numpy as np

from scripts.fuzz.hostile import WORDS, pick

WHOLE: Final = (-1, 0, 1, 2, 3, 7, 8, 64, 1000, 32_768, 10**6, 10**9, 10**12, 2**63, 10**30, -(10**12), True)
REAL: Final = (-1.0, 0.0, -0.0, 0.01, 0.5, 1.0, 1.5, 300.0, 1e-320, 1e-7, 1e30, 1e308, -1e308, np.nan, np.inf, -np.inf)


class Draw:
    """Values of one case: right ones as often as odd ones, so that what is checked later is reached, too."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def near(self, *right: Any) -> Any:
        """Return one of those that are right, or something odd of their kind."""
        value = pick(self.rng, right)
        if self.rng.random() < 0.65:
            return value
        if isinstance(value, bool | str):
            return pick(self.rng, WORDS)
        return pick(self.rng, WHOLE if isinstance(value, int) else REAL)

    def array(self, *shape: int, whole: bool = False, top: int = 4) -> Any:
        """Return an array of that shape, or of another, or of odd numbers."""
        shape = shape if self.rng.random() < 0.75 else pick(self.rng, ((), (0,), (1,), (3,), (2, 2), (1, 1, 1), (0, 3)))
        values: Any = self.rng.integers(0, top, size=shape) if whole else self.rng.uniform(-1.0, 1.0, size=shape)
        values = np.asarray(values)
        if values.size and self.rng.random() < 0.4:
            odd = (-1, top, 255, 2**31, 2**62) if whole else (np.nan, np.inf, 1e308, -1e308, 1e-320, 1.0 + 1e-9, 7.0)
            values.reshape(-1)[int(self.rng.integers(values.size))] = pick(self.rng, odd)
        if self.rng.random() < 0.15:
            values = values.astype(pick(self.rng, (np.float32, np.int64, np.uint8, object, bool)))
        return values

    def numbers(self, *shape: int) -> Any:
        """Return numbers of that shape, some of them odd."""
        values = self.rng.uniform(-1.0, 1.0, size=shape)
        if self.rng.random() < 0.5:
            values.reshape(-1)[int(self.rng.integers(values.size))] = pick(self.rng, REAL)
        return values

    def tube(self) -> Any:
        """Return a tube: some are small, odd or deformed."""
        return pick(self.rng, some_tubes())

    def tubes(self) -> list[Any]:
        """Return up to three tubes."""
        return [self.tube() for _ in range(int(self.rng.integers(0, 4)))]

    def counts(self) -> dict[str, Any]:
        """Return a budget of atoms."""
        return {self.near("B", "N", "13C", "vacancy"): self.near(1, 2, 4) for _ in range(int(self.rng.integers(0, 3)))}

    def pairs(self, low: float, high: float) -> tuple[Any, Any]:
        """Return two ends of a range."""
        return self.near(low), self.near(high)


@cache
def some_tubes() -> Any:
    """Return tubes that are small, odd or deformed."""
    from matgym.structures import Nanotube

    whole = Nanotube(8, 0, 2)
    return [
        whole, Nanotube(5, 5, 1), Nanotube(1, 0, 1), Nanotube(1, 1, 1), Nanotube(2, 1, 1), Nanotube(4, 2, 1),
        whole.decorated({0: "B", 9: "N"}), whole.decorated({20: "vacancy"}),
        whole.decorated(dict.fromkeys(range(64), "vacancy")), whole.strained(0.05), whole.twisted(0.01),
        whole.turned((5, 37)), whole.decorated(dict.fromkeys(range(64), "B")),
        Nanotube(6, 6, 1).decorated({3: "14C"}),
    ]  # fmt: skip


@cache
def small_task() -> Any:
    """Return a task of two boron and two nitrogen atoms."""
    from matgym.structures import tube_lattice
    from matgym.tasks import decoration_task

    return decoration_task(lattice=tube_lattice(8, 0, 2), budget={"B": 2, "N": 2})


@cache
def small_data() -> Any:
    """Return 20 rows of the shipped data set."""
    from matgym.data import Dataset

    return Dataset.load("nanotube-doping").take(np.arange(0, 400, 20))


@cache
def doping_surrogate() -> Any:
    """Return the shipped surrogate of doped tubes."""
    from matgym import surrogates

    return surrogates.load("nanotube-doping")


@cache
def gan() -> Any:
    """Return the shipped GAN."""
    from matgym.generative.store import load_generator

    return load_generator("gan")
