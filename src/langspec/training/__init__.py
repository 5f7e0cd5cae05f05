"""The loop: batches, precision, checkpoints and resume."""
