"""Repair: which eraser makes search across languages better, and the encoder that carries it."""
