"""A project's health, and what in it can be removed."""
