"""Compare the present code with matgym 0.1, figure by figure: the same to the bit, or not.

    python scripts/studies/reference/compare.py            # all figures, about two minutes on one core
    python scripts/studies/reference/compare.py --quick    # all but surrogates and transmissions: half a minute
    python scripts/studies/reference/compare.py --slow     # surrogates and transmissions
    python scripts/studies/reference/compare.py --anew     # 0.1 is computed on this machine, too

Prints a table; the exit status is 1 if a figure differs. reference.json holds the figures of 0.1 as computed on the
machine that it names. Another processor, or another version of a library, rounds otherwise: there numbers count as the
same within one part in a million, hashes are not compared, and `--anew` is the test to the bit.
"""

import argparse
import json
import sys
import time

import numpy as np
import present
from checkout import ROOT, check_imports
from collect_0_1 import REFERENCE, collect
from figures import GROUPS, compute, machine

SLOW = ("surrogates", "transmissions")
ROUNDING = 1e-6  # between machines


def same(ours, theirs, exact):
    """Whether two figures agree."""
    if exact:
        return json.dumps(ours) == json.dumps(theirs)
    if isinstance(theirs, dict):
        return all(same(a, b, exact) for a, b in zip(ours["values"], theirs["values"], strict=True))
    return np.isclose(ours, theirs, rtol=ROUNDING, atol=1e-9, equal_nan=True)


def shown(figure):
    """In a table."""
    if isinstance(figure, dict):
        return figure["sha256"][:16]
    return repr(figure)


def main():
    parser = argparse.ArgumentParser(description="Compare the present code with matgym 0.1.")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--quick", action="store_true", help=f"leave out {' and '.join(SLOW)}")
    part.add_argument("--slow", action="store_true", help=f"only {' and '.join(SLOW)}")
    parser.add_argument("--anew", action="store_true", help="compute the figures of 0.1 on this machine first")
    chosen = parser.parse_args()
    check_imports()

    reference = collect() if chosen.anew else json.loads(REFERENCE.read_text(encoding="utf-8"))
    here = machine()
    other = {name: (there, here[name]) for name, there in reference["machine"].items() if there != here[name]}
    print(f"now: {ROOT}; 0.1: commit {reference['commit']}")
    for name, (there, now) in other.items():
        print(f"0.1 was computed with {name} {there}, here is {now}: hashes are not compared")

    began, differing, count = time.perf_counter(), [], 0
    print(f"{'figure':<62} {'0.1':<24} {'now':<24} same?")
    for group in GROUPS:
        if (chosen.quick and group in SLOW) or (chosen.slow and group not in SLOW):
            continue
        left = dict(reference["figures"][group])
        for _, name, figure in compute(present, [group]):
            theirs = left.pop(name, "not measured")
            agrees = theirs != "not measured" and same(figure, theirs, exact=not other)
            print(f"{name:<62} {shown(theirs):<24} {shown(figure):<24} {'yes' if agrees else 'NO'}", flush=True)
            if not agrees and isinstance(theirs, dict):
                print(f"    values: {theirs['values']} and {figure['values']}")
            differing += [] if agrees else [name]
            count += 1
        for name, theirs in left.items():
            print(f"{name:<62} {shown(theirs):<24} {'missing':<24} NO")
        differing += list(left)
    seconds = time.perf_counter() - began
    print(
        f"{count - len(differing)} of {count} figures are the same as 0.1's, {len(differing)} differ ({seconds:.0f} s)"
    )
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
