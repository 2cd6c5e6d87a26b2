"""Controllers of a furnace that use its physics model."""
