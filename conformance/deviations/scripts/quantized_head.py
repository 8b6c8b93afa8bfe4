"""A quantized classifier takes no adapter that trains its head.

Documented: modules that are not converted by default are the last one among others, "for numerical
stability reasons" (transformers/quantizers/base.py, get_keys_to_not_convert); PEFT trains the head
of TaskType.SEQ_CLS (https://huggingface.co/docs/peft/package_reference/peft_types).

Instead: RuntimeError, only Tensors of floating point dtype can require gradients: the head has been
quantized too.

Why: get_keys_to_not_convert takes the name of the last parameter and removes the suffix ".weight".
A head with a bias ends in ".bias", so the name is that of no module, and nothing is spared.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import bitsandbytes
import peft
import torch
import transformers
from transformers import BertConfig, BertForSequenceClassification, BitsAndBytesConfig

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

BERT = BertConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    max_position_embeddings=32,
)


def inject(folder: str) -> str:
    BertForSequenceClassification(BERT).save_pretrained(folder)
    base = BertForSequenceClassification.from_pretrained(
        folder, quantization_config=BitsAndBytesConfig(load_in_4bit=True), device_map="cpu"
    )
    config = peft.LoraConfig(task_type="SEQ_CLS", target_modules=["query", "value"])
    try:
        peft.get_peft_model(base, config)
    except RuntimeError as error:
        return f"head of {type(base.classifier).__name__}; RuntimeError: {error}"
    return "an adapter that trains a copy of the head"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, "
    f"bitsandbytes {bitsandbytes.__version__}, torch {torch.__version__}"
)
print("BERT classifier, load_in_4bit, LoraConfig(task_type='SEQ_CLS')")
with tempfile.TemporaryDirectory() as checkpoint:
    got = inject(checkpoint)
expected = "an adapter that trains a copy of the head"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
