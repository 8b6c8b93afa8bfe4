"""An adapter that is converted to LoRA as it is saved loses its trained copies of whole modules.

Documented: with path_initial_model_for_weight_conversion, "the path to the initialized adapter",
PiSSA and OLoRA are saved as a LoRA for the base as it was
(https://huggingface.co/docs/peft/package_reference/peft_model#peft.PeftModel.save_pretrained).

Instead: the file holds the matrices of LoRA alone; the head that modules_to_save trained is lost.

Why: peft/tuners/lora/model.py, LoraModel.subtract_mutated_init hands back what it converted, which
is lora_A and lora_B, and passes over every other tensor.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from safetensors.torch import load_file
from transformers import BertConfig, BertForSequenceClassification

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()

BERT = BertConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
)
config = peft.LoraConfig(
    r=4, target_modules=["query"], task_type="SEQ_CLS", init_lora_weights="pissa"
)
torch.manual_seed(0)
model = peft.get_peft_model(BertForSequenceClassification(BERT), config)
with tempfile.TemporaryDirectory() as folder:
    model.peft_config["default"].init_lora_weights = True
    model.save_pretrained(f"{folder}/initial")
    model.peft_config["default"].init_lora_weights = "pissa"
    initial = f"{folder}/initial"
    model.save_pretrained(f"{folder}/lora", path_initial_model_for_weight_conversion=initial)
    found = load_file(f"{folder}/lora/adapter_model.safetensors")

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("tensors of the trained head in the converted adapter's file")
got = sorted(name for name in found if "classifier" in name)
expected = ["base_model.model.classifier.bias", "base_model.model.classifier.weight"]
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
