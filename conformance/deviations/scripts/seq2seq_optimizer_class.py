"""Seq2SeqTrainer refuses optimizer_cls_and_kwargs.

Documented: Trainer takes "optimizer_cls_and_kwargs: a tuple containing the optimizer class and
keyword arguments to use. Overrides optim and optim_args in args"
(https://huggingface.co/docs/transformers/main_classes/trainer); Seq2SeqTrainer is documented as
that Trainer with generation in evaluate and predict.

Instead: Seq2SeqTrainer(optimizer_cls_and_kwargs=...) ends in a TypeError.

Why: transformers/trainer_seq2seq.py, Seq2SeqTrainer.__init__ names each argument that it hands on
to Trainer.__init__, and was not given this one when Trainer was, in 4.47.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    Trainer,
)

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

LLAMA = LlamaConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=2,
)


def optimizer_of(trainer_class: type, folder: str) -> str:
    """The name of the optimizer it makes, or what it says instead."""
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
    arguments = Seq2SeqTrainingArguments(folder, use_cpu=True, report_to=[], disable_tqdm=True)
    asked = (torch.optim.SGD, {"lr": 0.3})
    try:
        trainer = trainer_class(model, arguments, optimizer_cls_and_kwargs=asked)
    except TypeError as error:
        return f"TypeError: {error}"
    return type(trainer.create_optimizer()).__name__


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        trainer, sequences = (optimizer_of(one, folder) for one in (Trainer, Seq2SeqTrainer))
    print(f"transformers {transformers.__version__}, peft {peft.__version__}")
    print(f"got: {sequences}")
    print("expected: SGD")
    return int(trainer == "SGD" and sequences != "SGD")


if __name__ == "__main__":
    sys.exit(main())
