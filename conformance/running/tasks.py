"""What each task trains on: its examples and its batches.

Examples are dictionaries of lists and tensors; the first entry of a batch is the model's main
input. Losses are in `conformance.running.losses`.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch

from conformance.scenarios import Family

IGNORED = -100
SHORTEST, LONGEST = 5, 12
FIRST_TOKEN = 3  # 0 to 2 are padding, begin (which masks as well) and end
MASK = 1
DRAWN_BELOW = 2**32  # the seeds of images and sounds

Example = dict[str, Any]
Batch = dict[str, torch.Tensor]
Draw = random.Random


@dataclass(frozen=True, slots=True)
class Data:
    """How a task's examples are drawn (the third argument: of varied length) and batched.

    ``collate`` pads to the longest of the batch: token 0, mask 0, label -100.
    """

    example: Callable[[Family, Draw, bool], Example]
    collate: Callable[[Sequence[Example]], Batch]


# ---- examples -------------------------------------------------------------------------------


def _tokens(family: Family, draw: Draw, count: int) -> list[int]:
    vocabulary = family.text_config["vocab_size"]
    return [draw.randrange(FIRST_TOKEN, vocabulary) for _ in range(count)]


def _text(family: Family, draw: Draw, varied: bool) -> list[int]:
    return _tokens(family, draw, draw.randint(SHORTEST, LONGEST) if varied else LONGEST)


def _causal(family: Family, draw: Draw, varied: bool) -> Example:
    """Text whose first tokens may be a prompt, which is not trained on."""
    tokens = _text(family, draw, varied)
    prompt = draw.randint(0, 3) if varied else 0
    return {"input_ids": tokens, "labels": [IGNORED] * prompt + tokens[prompt:]}


def _classified(family: Family, draw: Draw, varied: bool) -> Example:
    tokens = _text(family, draw, varied)
    return {"input_ids": tokens, "labels": draw.randrange(family.config["num_labels"])}


def _answered(family: Family, draw: Draw, varied: bool) -> Example:
    """Text and another text that follows from it."""
    tokens = _text(family, draw, varied)
    return {"input_ids": tokens, "labels": _answer(family, draw, varied)}


def _answer(family: Family, draw: Draw, varied: bool) -> list[int]:
    return _tokens(family, draw, draw.randint(3, 8) if varied else 8)


def _tagged(family: Family, draw: Draw, varied: bool) -> Example:
    """Text whose tokens have a class each, but for the first: it stands for the whole."""
    tokens = _text(family, draw, varied)
    classes = [draw.randrange(family.config["num_labels"]) for _ in tokens[1:]]
    return {"input_ids": tokens, "labels": [IGNORED, *classes]}


def _spanned(family: Family, draw: Draw, varied: bool) -> Example:
    """Text and the first and last position of the answer in it."""
    tokens = _text(family, draw, varied)
    first, last = sorted((draw.randrange(len(tokens)), draw.randrange(len(tokens))))
    return {"input_ids": tokens, "start_positions": first, "end_positions": last}


def _masked(family: Family, draw: Draw, varied: bool) -> Example:
    """Text of which about a third, and at least one token, is masked and has to be found."""
    tokens = _text(family, draw, varied)
    hidden = {draw.randrange(len(tokens)) for _ in range(1 + len(tokens) // 3)}
    seen = [MASK if i in hidden else token for i, token in enumerate(tokens)]
    labels = [token if i in hidden else IGNORED for i, token in enumerate(tokens)]
    return {"input_ids": seen, "labels": labels}


def _embedded(family: Family, draw: Draw, varied: bool) -> Example:
    """Text and the vector that stands for it."""
    tokens = _text(family, draw, varied)
    vector = [draw.uniform(-1, 1) for _ in range(family.config["hidden_size"])]
    return {"input_ids": tokens, "labels": vector}


def _pictured(family: Family, draw: Draw, _: bool) -> Example:
    return {
        "pixel_values": _image(family, draw),
        "labels": draw.randrange(family.config["num_labels"]),
    }


def _image(family: Family, draw: Draw) -> torch.Tensor:
    """Three channels of values between -1 and 1."""
    return _values(draw, 3, *(family.vision_config["image_size"],) * 2)


def _values(draw: Draw, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(draw.randrange(DRAWN_BELOW))
    return torch.rand(shape, generator=generator) * 2 - 1


def _spoken(family: Family, draw: Draw, varied: bool) -> Example:
    """A spectrogram of the only length there is, and what is said in it."""
    frames = 2 * family.config["max_source_positions"]
    sound = _values(draw, family.config["num_mel_bins"], frames)
    return {"input_features": sound, "labels": _answer(family, draw, varied)}


def _described(family: Family, draw: Draw, varied: bool) -> Example:
    """An image token for each patch, then text, which is trained on."""
    vision, image = family.vision_config, family.config["image_token_index"]
    patches = (vision["image_size"] // vision["patch_size"]) ** 2
    text = [token - (token == image) for token in _text(family, draw, varied)]
    return {
        "input_ids": [image] * patches + text,
        "pixel_values": _image(family, draw),
        "labels": [IGNORED] * patches + text,
    }


# ---- batches --------------------------------------------------------------------------------


def _text_batch(batch: Sequence[Example]) -> Batch:
    return {
        "input_ids": _pad([example["input_ids"] for example in batch], 0),
        "attention_mask": _pad([[1] * len(example["input_ids"]) for example in batch], 0),
    }


def _with_values(batch: Sequence[Example]) -> Batch:
    """Labels are a value a row, or a vector."""
    return {**_text_batch(batch), "labels": _column(batch, "labels")}


def _with_sequences(batch: Sequence[Example]) -> Batch:
    return {**_text_batch(batch), "labels": _label_sequences(batch)}


def _with_spans(batch: Sequence[Example]) -> Batch:
    spans = {name: _column(batch, name) for name in ("start_positions", "end_positions")}
    return {**_text_batch(batch), **spans}


def _with_decoder(batch: Sequence[Example]) -> Batch:
    """Also ``decoder_input_ids``: labels shifted right, as `DataCollatorForSeq2Seq` does it."""
    labels = _label_sequences(batch)
    return {**_text_batch(batch), "decoder_input_ids": _shift_right(labels), "labels": labels}


def _images(batch: Sequence[Example]) -> Batch:
    return {"pixel_values": _stack(batch, "pixel_values"), "labels": _column(batch, "labels")}


def _sounds(batch: Sequence[Example]) -> Batch:
    labels = _label_sequences(batch)
    sounds = _stack(batch, "input_features")
    return {
        "input_features": sounds,
        "decoder_input_ids": _shift_right(labels),
        "labels": labels,
    }


def _images_and_text(batch: Sequence[Example]) -> Batch:
    return {**_with_sequences(batch), "pixel_values": _stack(batch, "pixel_values")}


def _column(batch: Sequence[Example], name: str) -> torch.Tensor:
    return torch.tensor([example[name] for example in batch])


def _stack(batch: Sequence[Example], name: str) -> torch.Tensor:
    return torch.stack([example[name] for example in batch])


def _label_sequences(batch: Sequence[Example]) -> torch.Tensor:
    return _pad([example["labels"] for example in batch], IGNORED)


def _pad(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows])


def _shift_right(labels: torch.Tensor) -> torch.Tensor:
    start = labels.new_zeros(labels.shape[0], 1)
    return torch.cat([start, labels[:, :-1]], dim=1).masked_fill_(labels == IGNORED, 0)


DATA: Mapping[str, Data] = MappingProxyType(
    {
        "causal-lm": Data(_causal, _with_sequences),
        "sequence-classification": Data(_classified, _with_values),
        "seq2seq-lm": Data(_answered, _with_decoder),
        "token-classification": Data(_tagged, _with_sequences),
        "question-answering": Data(_spanned, _with_spans),
        "masked-lm": Data(_masked, _with_sequences),
        "feature-extraction": Data(_embedded, _with_values),
        "image-classification": Data(_pictured, _images),
        "speech-seq2seq": Data(_spoken, _sounds),
        "image-text": Data(_described, _images_and_text),
    }
)
