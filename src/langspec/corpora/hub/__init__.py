"""Corpora of the Hugging Face Hub: parquet repositories, or local folders laid out like them."""
