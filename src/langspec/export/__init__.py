"""An encoder as a folder that transformers and sentence-transformers open."""

from langspec.export.card import ExportFacts, model_card
from langspec.export.folder import ExportedHead, write_export

__all__ = ["ExportFacts", "ExportedHead", "model_card", "write_export"]
