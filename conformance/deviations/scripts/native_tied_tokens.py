"""Trainable tokens added with `add_adapter` to a model with tied embeddings cannot be saved.

Documented: an adapter added with add_adapter is saved by save_pretrained
(https://huggingface.co/docs/transformers/peft); trainable tokens follow tied weights
(https://huggingface.co/docs/peft/package_reference/trainable_tokens).

Instead: RuntimeError, "the weights trying to be saved contained shared tensors", at the first
checkpoint of a training.

Why: the layer around the tied head shares trainable_tokens_delta with the embedding's, and
get_peft_model_state_dict names both. PeftModel.save_pretrained clones such duplicates;
transformers/modeling_utils.py, PreTrainedModel.save_pretrained refuses them.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import GPT2Config, GPT2LMHeadModel

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

GPT2 = GPT2Config(vocab_size=64, n_embd=16, n_layer=1, n_head=2, n_positions=64)

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
model = GPT2LMHeadModel(GPT2)
model.add_adapter(peft.TrainableTokensConfig(target_modules=["wte"], token_indices=[3, 5]))
print("GPT2LMHeadModel.add_adapter(TrainableTokensConfig(...)), save_pretrained")
with tempfile.TemporaryDirectory() as folder:
    try:
        model.save_pretrained(folder)
        got = "saved"
    except RuntimeError as error:
        got = f"RuntimeError: {str(error)[:150]}"
expected = "saved"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
