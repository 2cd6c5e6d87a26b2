"""Controllers of a furnace: they know the physics, and decide minute by minute or for a whole run."""
