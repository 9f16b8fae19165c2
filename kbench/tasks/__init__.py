"""Tasks: the loss, and what an evaluation of the outputs means."""
