"""Applies an eraser of `langspec repair --vectors`; needs NumPy and safetensors alone."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file


def erase(folder: str, vectors: np.ndarray) -> np.ndarray:
    """Erase language from vectors [N, H]; what comes back has length 1."""
    tensors = load_file(f"{folder}/eraser.safetensors")
    card = json.loads(Path(folder, "eraser.json").read_text())
    x = np.asarray(vectors, np.float64)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    for n, _ in enumerate(card["steps"]):
        left, right, shift, weights, bias = (tensors[f"{n}.{name}"] for name in card["tensors"])
        which = (x @ weights.T + bias).argmax(1) if len(weights) else np.zeros(len(x), int)
        for k in range(len(shift)):
            x[which == k] += shift[k] - x[which == k] @ right[k].T @ left[k].T
        x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x.astype(np.float32)
