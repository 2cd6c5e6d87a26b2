"""Compare the present code with matgym 0.1, figure by figure, to the bit.

    python scripts/studies/reference/compare.py            # all figures, about two minutes on one core
    python scripts/studies/reference/compare.py --quick    # without the slow figures: a quarter of a minute
    python scripts/studies/reference/compare.py --slow     # the slow figures only: `SLOW`
    python scripts/studies/reference/compare.py --anew     # computes 0.1 on this machine, too

The script prints a table; its exit status is 1 if a figure differs. reference.json holds the figures of 0.1 as computed
on the machine that it names. Other processors and other versions of libraries round differently. On them hashes are not
compared, numbers count as the same within one part in ten thousand, and figures that depend on discrete choices are
left out, because one rounding error can change all choices that follow. `--anew` compares to the bit there.
"""

import argparse
import json
import sys
import time
import traceback

import numpy as np
import present
from checkout import ROOT, check_imports
from collect_0_1 import REFERENCE, collect
from figures import compute, machine

SLOW = ("slow_environments", "surrogates", "searches", "transmissions")
CHOICES = ("generators", "sequences", "environments", "slow_environments", "searches")
ROUNDING = 1e-4  # relative tolerance between machines
LEAST = 1e-6  # values of this size and below count as the same between machines


def same(ours, theirs, exact):
    """Return whether two figures agree."""
    if exact:
        return json.dumps(ours) == json.dumps(theirs)
    if isinstance(theirs, dict):
        return all(same(a, b, exact) for a, b in zip(ours["values"], theirs["values"], strict=True))
    return np.isclose(ours, theirs, rtol=ROUNDING, atol=LEAST, equal_nan=True)


def shown(figure):
    """Return the text of a figure in the table."""
    if isinstance(figure, dict):
        return figure["sha256"][:16]
    return repr(figure)


def main():
    parser = argparse.ArgumentParser(description="Compare the present code with matgym 0.1.")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--quick", action="store_true", help=f"leave out {', '.join(SLOW)}")
    part.add_argument("--slow", action="store_true", help=f"only {', '.join(SLOW)}")
    parser.add_argument("--anew", action="store_true", help="compute the figures of 0.1 on this machine first")
    chosen = parser.parse_args()
    check_imports()

    reference = collect() if chosen.anew else json.loads(REFERENCE.read_text(encoding="utf-8"))
    here = machine()
    other = {name: (there, here[name]) for name, there in reference["machine"].items() if there != here[name]}
    print(f"now: {ROOT}; 0.1: commit {reference['commit']}")
    for name, (there, now) in other.items():
        print(f"0.1 was computed with {name} {there}, here is {now}: neither hashes nor choices are compared")

    began, agreeing, differing = time.perf_counter(), 0, 0
    print(f"{'figure':<62} {'0.1':<24} {'now':<24} same?")
    for group, reference_figures in reference["figures"].items():
        unwanted = group in SLOW if chosen.quick else chosen.slow and group not in SLOW
        if unwanted or (other and group in CHOICES):
            continue
        present_figures = {}
        try:
            present_figures.update((name, figure) for _, name, figure in compute(present, [group]))
        except Exception:  # noqa: BLE001  # for instance a changed name; other groups are still compared
            traceback.print_exc()
        for name in reference_figures | present_figures:
            if name in present.CHANGED:
                print(f"{name:<62} changed on purpose: {present.CHANGED[name]}: yes")
                continue
            theirs, ours = reference_figures.get(name, "missing"), present_figures.get(name, "missing")
            agrees = name in reference_figures and name in present_figures and same(ours, theirs, exact=not other)
            print(f"{name:<62} {shown(theirs):<24} {shown(ours):<24} {'yes' if agrees else 'NO'}", flush=True)
            if not agrees and isinstance(theirs, dict) and isinstance(ours, dict):
                print(f"    values: {theirs['values']} and {ours['values']}")
            agreeing, differing = agreeing + agrees, differing + (not agrees)
    seconds = time.perf_counter() - began
    print(f"{agreeing} figures are the same as 0.1's, {differing} differ ({seconds:.0f} s)")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
