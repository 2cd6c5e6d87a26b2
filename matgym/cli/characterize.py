"""`matgym characterize`: what a file of an instrument shows, by a trained network."""

from pathlib import Path
from typing import Annotated, Any

import typer

from matgym.cli.console import Force, Json, print_result
from matgym.files import check_output


def characterize(
    file: Annotated[Path, typer.Argument(help="Image, diffraction pattern, powder pattern, spectrum or structure.")],
    what: Annotated[
        str,
        typer.Option(help="Question: chirality, crystal, space-group, structure, spectrum, defects, film or forest."),
    ] = "chirality",
    pixel_nm: Annotated[float | None, typer.Option(help="Width of a pixel of an image, nm.")] = None,
    pixel_per_nm: Annotated[float | None, typer.Option(help="Width of a pixel of a diffraction pattern, 1/nm.")] = None,
    wavelength: Annotated[float | None, typer.Option(help="Wavelength of a powder pattern, Å.")] = None,
    unit: Annotated[str | None, typer.Option(help="Unit of the first column of a spectrum: 1/cm, nm or eV.")] = None,
    laser_ev: Annotated[float | None, typer.Option(help="Energy of the laser of a Raman spectrum, eV.")] = None,
    environment: Annotated[
        str | None, typer.Option(help="Environment of the tubes of a Raman spectrum: air or dispersed.")
    ] = None,
    site_nm: Annotated[float | None, typer.Option(help="Lattice constant of the model of a film, nm.")] = None,
    scattering: Annotated[Path | None, typer.Option(help="Small-angle X-ray scattering of a forest.")] = None,
    q_unit: Annotated[
        str | None, typer.Option(help="Unit of the first column of the scattering: 1/nm or 1/angstrom.")
    ] = None,
    best: Annotated[int | None, typer.Option(min=1, max=1000, help="Number of classes in the answer; 3.")] = None,
    model: Annotated[
        Path | None, typer.Option(help="Stored network (.safetensors) in place of the shipped one.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Picture (.png) of the file beside a simulation or marks.")
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Recognise tubes, defects, a crystal, a film or a forest in a file, with probabilities or a refusal."""
    from matgym.characterization.answers import characterize as answer_of
    from matgym.characterization.panels import picture_path

    if output is not None:
        picture_path(output)
        check_output(output, force=force, inputs=[file, *([scattering] if scattering else [])])
    options: dict[str, Any] = {  # their values are checked there
        "pixel_nm": pixel_nm,
        "pixel_per_nm": pixel_per_nm,
        "wavelength_angstrom": wavelength,
        "unit": unit,
        "laser_ev": laser_ev,
        "environment": environment,
        "site_nm": site_nm,
        "scattering": scattering,
        "q_unit": q_unit,
        "best": best,
    }
    found = answer_of(file, what, model=model, **options)
    if output is not None:
        found.save_picture(output)
    lines = found.summary()
    if output is not None:
        lines.append(f"  picture: {output.resolve()}")
    content = found.as_dict()
    refusal = {"refusal": content["refusal"]}
    csv_rows = [row | refusal for row in found.rows()] or ([refusal] if content["refusal"] else [])
    print_result(content, (found.question, found.rows()), lines=lines, csv_rows=csv_rows, json=json)
