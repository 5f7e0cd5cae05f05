"""A cased WordPiece vocabulary, as BERT uses it (Schuster & Nakajima 2012), from demo text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from langspec.encoders.tokenizer_file import wrap_tokenizer
from langspec.errors import LangspecError

SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
_CONTINUES = "##"


def train_wordpiece(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Train a cased WordPiece tokenizer of at most ``vocabulary`` entries.

    Pairs are ``[CLS] a [SEP] b [SEP]`` with token types 0 and 1. The same texts, in any order,
    give the same vocabulary.

    Raises:
        LangspecError: the characters alone do not fit into ``vocabulary``.
    """
    normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False
    )
    splitter = pre_tokenizers.BertPreTokenizer()
    counts = Counter(
        word
        for text in texts
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))
    )
    starts = sorted({word[0] for word in counts})
    inside = sorted({_CONTINUES + character for word in counts for character in word[1:]})
    # Whatever the trainer meets first gets the lower index, and ties between pairs go to the lower
    # indices; it meets words in the order of a hash table. Naming all one-character entries
    # beforehand fixes their indices, and with them everything.
    first = [*SPECIAL.values(), *starts, *inside]
    if len(first) > vocabulary:
        raise LangspecError(
            f"vocabulary {vocabulary} is too small: the special tokens and characters of the "
            f"pre-training text alone are {len(first)}"
        )
    trained = Tokenizer(models.WordPiece(unk_token=SPECIAL["unk_token"]))
    trained.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trained.train_from_iterator(
        (" ".join([word] * count) for word, count in sorted(counts.items())),
        trainers.WordPieceTrainer(
            vocab_size=vocabulary,
            special_tokens=first,
            continuing_subword_prefix=_CONTINUES,
            show_progress=False,
        ),
    )
    # A fresh tokenizer: in the trained one the single characters count as special tokens.
    vocab = trained.get_vocab()
    backend = Tokenizer(
        models.WordPiece(
            vocab, unk_token=SPECIAL["unk_token"], continuing_subword_prefix=_CONTINUES
        )
    )
    backend.normalizer = normalizer
    backend.pre_tokenizer = splitter
    backend.decoder = decoders.WordPiece(prefix=_CONTINUES)
    cls, sep = SPECIAL["cls_token"], SPECIAL["sep_token"]
    backend.post_processor = processors.TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0",
        pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
        special_tokens=[(cls, vocab[cls]), (sep, vocab[sep])],
    )
    backend.add_special_tokens(list(SPECIAL.values()))
    return wrap_tokenizer(backend, SPECIAL)
