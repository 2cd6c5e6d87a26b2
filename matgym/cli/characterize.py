"""`matgym characterize`: what a file of an instrument shows, by a trained network."""

from pathlib import Path
from typing import Annotated

import typer

from matgym.cli.console import Force, Json, print_result
from matgym.files import check_output


def characterize(
    file: Annotated[Path, typer.Argument(help="Image, diffraction pattern, powder pattern or spectrum.")],
    what: Annotated[str, typer.Option(help="Question: chirality, crystal or spectrum.")] = "chirality",
    pixel_nm: Annotated[float | None, typer.Option(help="Width of a pixel of an image, nm.")] = None,
    pixel_per_nm: Annotated[float | None, typer.Option(help="Width of a pixel of a diffraction pattern, 1/nm.")] = None,
    wavelength: Annotated[float | None, typer.Option(help="Wavelength of a powder pattern, Å.")] = None,
    unit: Annotated[str | None, typer.Option(help="Unit of the first column of a spectrum: 1/cm, nm or eV.")] = None,
    laser_ev: Annotated[float | None, typer.Option(help="Energy of the laser of a Raman spectrum, eV.")] = None,
    environment: Annotated[
        str | None, typer.Option(help="Environment of the tubes of a Raman spectrum: air or dispersed.")
    ] = None,
    best: Annotated[int, typer.Option(min=1, max=1000, help="Number of answers.")] = 3,
    model: Annotated[
        Path | None, typer.Option(help="Stored network (.safetensors) in place of the shipped one.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Picture (.png) of the file beside a simulation.")] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Recognise tubes or a crystal in a file of an instrument, with calibrated probabilities or a refusal."""
    from matgym.characterization.answers import characterize as answer_of

    if output is not None:
        check_output(output, force=force, inputs=[file])
    found = answer_of(
        file,
        what,
        pixel_nm=pixel_nm,
        pixel_per_nm=pixel_per_nm,
        wavelength_angstrom=wavelength,
        unit=unit,  # type: ignore[arg-type]  # it is checked there, as is the environment
        laser_ev=laser_ev,
        environment=environment,  # type: ignore[arg-type]
        best=best,
        model=model,
    )
    if output is not None:
        found.save_picture(output)
    answer = found.answer
    rows = [{"class": name, found.measure: value} for name, value in answer.best]
    lines = [f"No answer: {answer.refusal}." if answer.refusal else f"Answer: {' + '.join(found.classes)}"]
    if answer.metallic is not None:
        lines.append(f"  metallic: {answer.metallic:.1%}")
    if output is not None:
        lines.append(f"  picture: {output.resolve()}")
    print_result(found.as_dict(), (found.question, rows), lines=lines, json=json)
