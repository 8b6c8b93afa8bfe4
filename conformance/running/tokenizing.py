"""A tokenizer that needs no file: its words are numbers."""

from typing import Any


def numbers(size: int, padding: int = 0) -> Any:
    """A word for each number below ``size``, its own token; ``padding`` pads, and is all that the
    tokenizer knows of special tokens.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    nothing = str(padding)
    words = Tokenizer(models.WordLevel({str(n): n for n in range(size)}, unk_token=nothing))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token=nothing)
