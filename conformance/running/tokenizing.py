"""A tokenizer that needs no file: its words are numbers."""

from typing import Any


def numbers(size: int) -> Any:
    """A word for each number below ``size``, its own token; 0 pads."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    nothing = "0"
    words = Tokenizer(models.WordLevel({str(n): n for n in range(size)}, unk_token=nothing))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token=nothing)
