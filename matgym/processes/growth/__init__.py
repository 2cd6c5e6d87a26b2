"""Growth of tubes by chemical vapour deposition."""
