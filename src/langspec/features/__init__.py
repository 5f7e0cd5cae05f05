"""One encoding pass a checkpoint, in a bounded cache on disk."""
