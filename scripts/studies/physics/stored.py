"""Compute the rows of the published table that take minutes, or need the extra `xtb`, and store them.

    python -m scripts.studies.physics.stored [KEY ...]

computes the rows of the given keys, or all, and writes matgym/physics/validation/stored.json after each (about half an
hour of a core). The key `ranked` computes the gaps of the ranked tubes by GFN1-xTB and GFN2-xTB.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from time import process_time

from matgym.files import write_json
from matgym.physics.validation import COMPUTED
from matgym.physics.validation.levels import xtb_gaps_ev
from matgym.physics.validation.store import STORED, stored
from matgym.physics.xtb.states import XtbMethod
from matgym.version import __version__
from scripts.studies.common import ROOT, machine

RANKED = "ranked"


def main() -> None:
    """Compute the rows that the command line names, and write them into the file."""
    every = [RANKED, *(key for key, row in COMPUTED.items() if row.stored)]
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("keys", nargs="*", metavar="KEY", help=f"any of {', '.join(every)}")
    for key in parser.parse_args().keys or every:
        start = process_time()
        if key == RANKED:
            change = {"ranked_gaps_ev": {method.value: xtb_gaps_ev(method) for method in XtbMethod}}
        else:
            change = {"values": {key: COMPUTED[key].value()}}
        store(change)
        print(f"{key}: {process_time() - start:.0f} CPU seconds", flush=True)


def store(change: dict[str, dict]) -> None:
    """Write values into the file, beside those that are there."""
    stored.cache_clear()
    content = stored().model_dump()
    for name, values in change.items():
        content[name] = dict(sorted((content[name] | values).items()))
    command = f"python -m {main.__module__ if main.__module__ != '__main__' else 'scripts.studies.physics.stored'}"
    write_json(STORED, content | {"command": command, "matgym": __version__, "machine": machine()})
    stored.cache_clear()


if __name__ == "__main__":
    main()
