"""What a person starts: the main job, its report, and what they print."""
