"""An adapter added with `add_adapter` with bias="all" and modules_to_save cannot be saved.

Documented: LoraConfig.bias can be "none", "all" or "lora_only", and modules_to_save are "set as
trainable and saved in the final checkpoint"
(https://huggingface.co/docs/peft/package_reference/lora); save_pretrained of a model with an
adapter writes the adapter (.../docs/transformers/peft).

Instead: RuntimeError, "the weights trying to be saved contained shared tensors".

Why: peft/utils/save_and_load.py collects, for bias="all", every tensor with "bias" in its name,
classifier.modules_to_save.default.bias too, and then the copies of modules_to_save under their
plain names: classifier.bias is the same tensor again. PeftModel.save_pretrained clones such
duplicates; transformers/modeling_utils.py, PreTrainedModel.save_pretrained refuses them
(remove_tied_weights_from_state_dict).
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import BertConfig, BertForSequenceClassification

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

BERT = BertConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
)
LORA = peft.LoraConfig(target_modules=["query"], bias="all", modules_to_save=["classifier"])


def save(folder: str) -> str:
    model = BertForSequenceClassification(BERT)
    model.add_adapter(LORA)
    try:
        model.save_pretrained(folder)
    except RuntimeError as error:
        return f"RuntimeError: {str(error).splitlines()[0]}"
    return "saved"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("add_adapter(bias='all', modules_to_save=['classifier']) on BERT, save_pretrained")
with tempfile.TemporaryDirectory() as output_dir:
    got = save(output_dir)
expected = "saved"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
