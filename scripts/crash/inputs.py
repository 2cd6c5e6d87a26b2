"""Write the inputs of the jobs: `python -m scripts.crash.inputs FOLDER`.

In a process of its own, because a process that has used PyTorch cannot be forked safely.
"""

import sys
from pathlib import Path

from scripts.crash.jobs import write_inputs

if __name__ == "__main__":
    write_inputs(Path(sys.argv[1]))
