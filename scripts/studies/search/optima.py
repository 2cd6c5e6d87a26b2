"""Find the best known designs of the combinatorial suite by tabu search on the models that reward them.

Each step of a search evaluates all moves of one dopant to another site, and takes the best one that does not move an
atom of the last steps again, even if it makes the design worse (Glover, ORSA Journal on Computing 1, 190, 1989). The
models of `stability`, `stiffness` and `heat` are ridge regressions on pairs, so that one pass predicts every tube that
differs by one atom (`matgym.surrogates.honeycomb.edits`). The oracle verifies the best designs of the searches.

`python -m scripts.studies.search.optima` (an hour of one core) writes docs/results/search-optima.json, and
matgym/tasks/optima/NAME.json where it finds a better design.
"""

import time
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from matgym.benchmark.solve import allowed
from matgym.errors import ConfigurationError
from matgym.structures import Species, TubeBatch
from matgym.surrogates.honeycomb.edits import SingleEdits
from matgym.tasks.instances import instance
from matgym.tasks.solved import optima_folder
from scripts.studies.common import Study, StudyJob, print_markdown


@dataclass(frozen=True)
class Settings:
    """The settings of the study."""

    searches: tuple[tuple[str, int, int], ...] = (  # instance, searches, steps of each
        ("stability", 16, 400), ("stiffness", 16, 400), ("heat", 16, 400), ("doping", 4, 120), ("doping-stiff", 4, 120),
        ("compromise", 4, 120), ("doping-large", 2, 80),
    )  # fmt: skip
    tenure: int = 12  # steps in which a moved atom stays, and its old site stays empty
    verified: int = 16
    seed: int = 2_000_000  # benchmarks use small ones


QUICK = Settings(searches=(("stiffness", 1, 2),), verified=1)


@dataclass(frozen=True)
class Tabu(StudyJob):
    """The job of one search of an instance."""

    settings: Settings = field(repr=False)
    instance: str
    steps: int
    chain: int

    def run(self):
        """Return the best different designs on the way, with their losses by the model, and the number of designs."""
        moves = Moves(instance(self.instance))
        rng = np.random.default_rng([self.settings.seed, self.chain])
        design, found, count = moves.task.space.sample(1, rng)[0], {}, 0
        until = np.zeros(len(design), dtype=np.int64)  # the step until which each site keeps what it holds
        for step in range(self.steps):
            atoms = np.flatnonzero((design != Species.C12) & (until <= step))
            sites = np.flatnonzero((design == Species.C12) & (until <= step))
            if not len(atoms):
                continue
            losses = moves.losses(design, atoms, sites)
            count += losses.size
            row, column = np.unravel_index(losses.argmin(), losses.shape)
            atom, site = atoms[row], sites[column]
            design[site], design[atom] = design[atom], Species.C12
            until[[site, atom]] = step + 1 + self.settings.tenure
            if np.isfinite(losses[row, column]):
                found[design.tobytes()] = float(losses[row, column])
        best = sorted(found, key=found.get)[: self.settings.verified]
        return pa.Table.from_pylist(
            [
                {"design": list(np.frombuffer(each, dtype=np.uint8)), "loss": found[each], "designs": count}
                for each in best
            ]
        )


class Moves:
    """The moves of one dopant of an instance, and what the model says of them."""

    def __init__(self, made):
        self.made, self.task = made, made.task()
        self.kinds = sorted({Species(int(code)) for code in self.task.space.edits.species})
        first = self.task.objective
        self.sign = 1.0 if first.direction == "minimize" else -1.0
        self.exact = None
        if len(self.task.objectives) == 1:
            with suppress(ConfigurationError):  # no ridge regression on pairs
                self.exact = SingleEdits([(first.model, first.key)], self.kinds, ())

    def losses(self, design, atoms, sites):
        """Return (A, S) losses after each of A atoms has moved to each of S sites; infinite if it is not allowed."""
        rows = np.arange(len(atoms))
        without = np.tile(design, (len(atoms), 1))
        without[rows, atoms] = Species.C12
        if self.exact is not None:
            placed = self.exact.predict(TubeBatch.uniform(self.task.space.lattice, without)).placed
            kind = [self.kinds.index(Species(int(code))) for code in design[atoms]]
            return self.sign * placed.reshape(len(atoms), len(design), -1)[rows, :, kind][:, sites]
        moved = np.repeat(without[:, None], len(sites), axis=1)
        moved[:, np.arange(len(sites)), sites] = design[atoms][:, None]
        flat = moved.reshape(-1, len(design))
        scores = self.task.score(flat, self.made.targets(len(flat)))
        losses = scores.loss if scores.cost is None else np.where(scores.cost <= 0.0, scores.loss, np.inf)
        return np.nan_to_num(losses, nan=np.inf).reshape(len(atoms), len(sites))


def main():
    study = Study.from_command_line("search-optima", __doc__, Settings(), QUICK)
    settings, entries, table = study.settings, [], []
    for name, chains, steps in settings.searches:
        began, made = time.perf_counter(), instance(name)
        rows = study.rows([Tabu(settings, name, steps, chain) for chain in range(chains)], folder=name)
        task, known = made.task(), made.optimum
        order = np.argsort([row["loss"] for row in rows], kind="stable")
        designs = np.array([rows[i]["design"] for i in order], dtype=np.uint8)
        _, first = np.unique(task.space.key(designs), return_index=True)
        designs = designs[np.sort(first)][: settings.verified]
        losses = np.where(allowed(task, designs), task.verify(designs, made.targets(len(designs))).loss, np.inf)
        best = int(np.nanargmin(losses))
        count = sum({row["designs"]: row["designs"] for row in rows}.values())
        entry = {"instance": name, "designs": count, "verified": len(designs), "loss": float(losses[best])}
        entry |= {"loss_before": known.loss, "predicted": float(np.min([row["loss"] for row in rows]))}
        entries.append(entry | {"seconds": time.perf_counter() - began})
        table.append((name, f"{count:,}", entry["predicted"], known.loss, entry["loss"]))
        if losses[best] < known.loss and not study.quick:
            by = f"tabu search with {count:,} designs, python -m scripts.studies.search.optima"
            described, row = task.describe(designs[best]), tuple(designs[best].tolist())
            better = replace(known, loss=float(losses[best]), design=row, described=described, found_by=by)
            made.record(better, optima_folder())
        study.write({"instances": entries})
    print_markdown(("instance", "designs", "predicted loss", "best known before", "verified loss"), table)


if __name__ == "__main__":
    main()
