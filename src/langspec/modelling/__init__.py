"""PyTorch modules: pooling, heads, the encoder with its heads; a trained run on disk."""
