"""Pictures of tubes, rolled and unrolled, and of results."""
