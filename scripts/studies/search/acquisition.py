"""Train the acquisition function of `learned-acquisition`, on problems that no benchmark reports.

The problems are those of `scripts.studies.search.proposals`. `python -m scripts.studies.search.acquisition` (an hour
of one core; it does not resume) writes agents/acquisition/weights/acquisition.safetensors, its card, and
docs/results/acquisition.json.
"""

import time
from dataclasses import dataclass

from matgym.agents.acquisition.store import STORE, save_acquisition
from matgym.agents.acquisition.training import Settings as Updates
from matgym.agents.acquisition.training import Training
from scripts.studies.common import Study
from scripts.studies.search.proposals import problems


@dataclass(frozen=True)
class Settings:
    """The settings of the study."""

    updates: int = 40
    searches: int = 6
    seed: int = 0
    most: int = 10  # problems of each family


QUICK = Settings(updates=1, searches=2, most=1)


def main():
    study = Study.from_command_line("acquisition", __doc__, Settings(), QUICK)
    began, rows, named = time.perf_counter(), [], problems(study.settings.most)
    updates = Updates(updates=study.settings.updates, searches=study.settings.searches, seed=study.settings.seed)
    training = Training(tuple(named.values()), updates)

    def on_update(update, gain):
        rows.append({"update": update, "gain": gain, "evaluations": training.evaluations})
        print(f"update {update}: gain {gain:.2f}, {training.evaluations:,} evaluations", flush=True)

    network = training.run(on_update)
    folder = study.docs / "weights" if study.quick else STORE.shipped
    folder.mkdir(parents=True, exist_ok=True)
    save_acquisition(
        network, folder / "acquisition.safetensors", evaluations=training.evaluations, problems=tuple(named),
        seed=updates.seed, seconds=time.perf_counter() - began, command="python -m scripts.studies.search.acquisition",
    )  # fmt: skip
    study.write({"problems": list(named), "evaluations": training.evaluations, "rows": rows})


if __name__ == "__main__":
    main()
