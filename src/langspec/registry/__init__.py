"""Which trained seed is registered and why, its card, and the folder that is served."""
