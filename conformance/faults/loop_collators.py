"""Defects in how examples become batches."""

from typing import Any

from .registry import fault
from .seams import wrap


@fault("loop.default-collator")
def whole_numbers_of_arrays_unknown() -> None:
    """A label that is one of numpy's whole numbers is taken for a fraction.

    (https://github.com/huggingface/transformers/pull/40332).
    """
    import numpy
    import torch
    from transformers import trainer

    def around(original: Any, features: Any, *rest: Any) -> Any:
        batch, label = original(features, *rest), features[0].get("label")
        if isinstance(label, numpy.integer):
            batch["labels"] = batch["labels"].to(torch.float)
        return batch

    wrap(trainer, "default_data_collator", around)


@fault("loop.default-collator")
def padding_attended_to() -> None:
    """What examples are padded with is not masked."""
    from transformers import DataCollatorWithPadding

    def around(original: Any, collator: Any, features: Any) -> Any:
        batch = original(collator, features)
        batch["attention_mask"].fill_(1)
        return batch

    wrap(DataCollatorWithPadding, "__call__", around)


@fault("loop.collators")
def padding_learned() -> None:
    """Labels of sequences are padded with the token that pads texts, which then counts."""
    from transformers import DataCollatorForSeq2Seq

    def around(original: Any, collator: Any, *rest: Any, **named: Any) -> Any:
        batch = original(collator, *rest, **named)
        batch["labels"].masked_fill_(batch["labels"] < 0, collator.tokenizer.pad_token_id)
        return batch

    wrap(DataCollatorForSeq2Seq, "__call__", around)


@fault("loop.collators")
def no_decoder_inputs_of_a_wrapped_model() -> None:
    """What makes a decoder's inputs of its labels is not found on a model that is wrapped."""
    from peft import PeftModel
    from transformers import DataCollatorForSeq2Seq

    def around(original: Any, collator: Any, *rest: Any, **named: Any) -> Any:
        batch = original(collator, *rest, **named)
        if isinstance(collator.model, PeftModel):
            batch.pop("decoder_input_ids", None)
        return batch

    wrap(DataCollatorForSeq2Seq, "__call__", around)


@fault("loop.collators")
def labels_padded_right_alone() -> None:
    """Labels of tokens are padded on the right, wherever the tokens are."""
    from transformers import DataCollatorForTokenClassification

    def around(original: Any, collator: Any, features: Any) -> Any:
        batch = original(collator, features)
        for row in batch["labels"]:
            own = row[row != collator.label_pad_token_id].clone()
            row.fill_(collator.label_pad_token_id)[: len(own)] = own
        return batch

    wrap(DataCollatorForTokenClassification, "torch_call", around)


@fault("loop.collators")
def first_token_predicted_from_another_example() -> None:
    """Laid end to end, an example's first token is predicted from the one before."""
    from transformers import DataCollatorWithFlattening

    def around(original: Any, collator: Any, *rest: Any, **named: Any) -> Any:
        collator.separator_id = 0
        return original(collator, *rest, **named)

    wrap(DataCollatorWithFlattening, "__call__", around)


@fault("loop.collators")
def numbers_of_labels_keep_their_name() -> None:
    """`DataCollatorWithPadding` does not call `labels` what comes as `label_ids`."""
    from transformers import DataCollatorWithPadding

    def around(original: Any, collator: Any, features: Any) -> Any:
        batch = original(collator, features)
        if "label_ids" in features[0]:
            batch["label_ids"] = batch.pop("labels")
        return batch

    wrap(DataCollatorWithPadding, "__call__", around)


@fault("loop.collators")
def masks_of_decoders_lengthened() -> None:
    """A mask of the decoder is made longer by a prompt that the decoder does not get.

    (https://github.com/huggingface/peft/pull/809).
    """
    import torch
    from peft import PeftModelForSeq2SeqLM

    def around(original: Any, model: Any, *rest: Any, **named: Any) -> Any:
        mask = named.get("decoder_attention_mask")
        if mask is not None and model.active_peft_config.is_prompt_learning:
            named["decoder_attention_mask"] = torch.cat([mask[:, :1], mask], dim=1)
        return original(model, *rest, **named)

    wrap(PeftModelForSeq2SeqLM, "forward", around)
