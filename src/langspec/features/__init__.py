"""One encoding pass a checkpoint, kept as a bounded cache."""
