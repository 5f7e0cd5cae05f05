"""Trained models for others: which seed to publish, its card, its folder, its predictions."""
