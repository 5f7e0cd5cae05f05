"""The commands of the command line, by group. Nothing heavy is imported before one runs."""
