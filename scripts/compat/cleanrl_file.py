"""A file in the manner of CleanRL trains on the natively batched environment."""

import runpy

import numpy as np

from scripts.studies.common import ROOT


def main():
    file = runpy.run_path(str(ROOT / "docs" / "examples" / "cleanrl_ppo.py"))
    settings = file["Settings"](env_id="matgym/NanotubeChirality-v0", total_timesteps=8192)
    _, curve = file["train"](settings, lambda *_: None)
    assert np.isfinite(curve).all()
    assert len(curve) > 0, "no episode ended"


if __name__ == "__main__":
    main()
