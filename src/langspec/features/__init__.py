"""One encoding pass a checkpoint, kept as a bounded cache."""

from langspec.features.bank import Bank, BankOptions, BankRows, Units, bank_key, open_bank
from langspec.features.cache import evict
from langspec.features.encode import build_bank

__all__ = [
    "Bank",
    "BankOptions",
    "BankRows",
    "Units",
    "bank_key",
    "build_bank",
    "evict",
    "open_bank",
]
