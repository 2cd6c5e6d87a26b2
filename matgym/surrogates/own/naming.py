"""The name of a property of the user's own."""

import re

from matgym.errors import PropertyError
from matgym.models import Level, Property, suffix_of
from matgym.physics.registry import PROPERTIES, PROPERTIES_BY_KEY, levels_of


def own_property(
    name: str, unit: str = "", level: str = "", *, description: str = "", between_leads: bool = False
) -> tuple[Property, Level]:
    """Return a property of the user's own and the level of its labels.

    A name of a property that matgym computes stands for this property, if the labels are by a level of matgym.

    Args:
        name: name of the property; its key ends in the unit, as that of all properties does.
        unit: unit of the labels; empty or "1" for a pure number.
        level: what the labels are computed by, in the user's words, or a level of matgym such as "xtb".
        description: what the property is.
        between_leads: whether it belongs to a tube between two leads.

    Raises:
        PropertyError: if the name has other characters than letters, digits and underscores, or is that of a property
            that matgym computes by other levels or in another unit.
    """
    if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
        raise PropertyError(
            f"{name!r} is no name of a property: give letters, digits and underscores, such as "
            f"{re.sub(r'[^A-Za-z0-9]+', '_', name).strip('_').lower() or 'mine'!r}, and the column by --column"
        )
    suffix = suffix_of(unit)
    key = name if name.endswith(suffix) else name + suffix
    known = PROPERTIES.get(name) or PROPERTIES_BY_KEY.get(key)
    if known is None:
        text = description or f"{name.replace('_', ' ')}, a property of the user's own"
        return Property(key, unit or "1", text, between_leads=between_leads), Level.USER
    levels = levels_of(known.key)
    found = next((each for each in levels if level in {each.value, each.short}), None)
    if found is None:
        raise PropertyError(
            f"{known.name!r} is a property that matgym computes, by {', '.join(each.short for each in levels)}: give "
            f"one of these as the level of your labels, or another name, such as 'my_{known.name}'"
        )
    if unit and unit != known.unit:
        raise PropertyError(f"{known.name!r} is in {known.unit}, and these labels are in {unit}: give another name")
    return known, found
