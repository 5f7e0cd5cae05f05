"""One thin module a pipeline stage: read params, call the packages, write the outs."""
