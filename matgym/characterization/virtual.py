"""The virtual microscope: one noisy measurement of a design, as `characterize` reads it."""

from typing import Literal

import numpy as np

from matgym.characterization.diffraction import Detector, Exposure, atom_patterns, tube_patterns
from matgym.characterization.electrons import ElectronBeam
from matgym.characterization.files import Micrograph
from matgym.characterization.imaging import Camera, Lens, hrtem
from matgym.characterization.poses import Poses
from matgym.errors import ConfigurationError
from matgym.structures import Nanotube


def virtual_microscope(
    tube: Nanotube,
    rng: np.random.Generator,
    *,
    kind: Literal["diffraction", "image"] = "diffraction",
    poses: Poses | None = None,
    beam: ElectronBeam | None = None,
    lens: Lens | None = None,
    camera: Camera | None = None,
    detector: Detector | None = None,
    exposure: Exposure | None = None,
) -> Micrograph:
    """Return the electron diffraction pattern or the HRTEM image of a tube, with noise and its scale.

    `characterize(virtual_microscope(tube, rng))` reads a design back without a file.

    Args:
        tube: the tube, with its defects, dopants, strain and torsion.
        rng: source of the pose and of the noise.
        kind: "diffraction" or "image".
        poses: one pose. Default: a random one, tilted by up to 5°.
        beam: default `ElectronBeam()`.
        lens: for images; default `Lens()`.
        camera: for images; default 128 pixels of 0.045 nm, 10⁴ electrons for each Å².
        detector: for diffraction; default 128 pixels of 0.165 1/nm with a beam stop.
        exposure: for diffraction; default 3,000 electrons for each Å².

    Raises:
        ConfigurationError: if the kind is unknown, an option does not belong to it, or there is not one pose.

    Example:
        >>> import numpy as np
        >>> record = virtual_microscope(Nanotube(10, 5), np.random.default_rng(0))
        >>> record.kind, record.pixels.shape
        ('diffraction', (128, 128))
    """
    if kind not in {"diffraction", "image"}:
        raise ConfigurationError(f"kind={kind!r} is unknown: give 'diffraction' or 'image'")
    others = {"lens": lens, "camera": camera} if kind == "diffraction" else {"detector": detector, "exposure": exposure}
    for name, value in others.items():
        if value is not None:
            raise ConfigurationError(f"{name} has no effect for kind={kind!r}: leave it out")
    poses = poses or Poses.random(rng, 1, tilt_deg=5.0)
    if kind == "image":
        camera = camera or Camera(128, 0.45)
        image = hrtem([tube], poses, beam=beam, lens=lens, camera=camera)
        return Micrograph(camera.expose(image, rng)[0], 0.1 * camera.pixel_angstrom)
    detector = detector or Detector(128, 0.0165, beam_stop_per_angstrom=0.09)
    exposure = exposure or Exposure(3e3)
    if tube.is_pristine:
        expected = tube_patterns(
            [(tube.n, tube.m)], poses, beam=beam, detector=detector, exposure=exposure, strain=tube.strain,
            torsion=tube.torsion,
        )  # fmt: skip
    else:
        expected = atom_patterns([tube], poses, beam=beam, detector=detector, exposure=exposure)
    return Micrograph(detector.expose(expected, rng)[0], 10.0 * detector.pixel_per_angstrom, "diffraction")
