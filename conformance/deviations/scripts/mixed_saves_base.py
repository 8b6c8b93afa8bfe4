"""A checkpoint of a mixed model is the whole base.

Documented: PeftMixedModel, "this class does not support loading/saving"
(https://huggingface.co/docs/peft/package_reference/peft_model); its save_pretrained raises
NotImplementedError.

Instead: training writes model.safetensors with every weight of the base at each checkpoint, without
an adapter config; nothing can load its adapters from there.

Why: transformers/trainer.py, _save counts PreTrainedModel and PeftModel among what it saves with
save_pretrained; of a PeftMixedModel, which is neither, it writes the state dict.
"""

import os
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

LLAMA = LlamaConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=2,
)

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
lora = peft.LoraConfig(target_modules=["q_proj"])
model = peft.get_peft_model(LlamaForCausalLM(LLAMA), lora, adapter_name="first", mixed=True)
model.add_adapter("second", peft.LoHaConfig(target_modules=["q_proj"]))
model.set_adapter(["first", "second"])
rows = [{"input_ids": row, "labels": row} for row in torch.randint(3, 64, (8, 8))]
with tempfile.TemporaryDirectory() as output_dir:
    arguments = TrainingArguments(
        output_dir, max_steps=1, save_strategy="steps", save_steps=1, use_cpu=True, report_to=[]
    )
    try:
        Trainer(model, arguments, train_dataset=rows).train()
        got = sorted(path.name for path in Path(output_dir).glob("*/*model*"))
    except NotImplementedError as error:
        got = f"NotImplementedError: {error}"
print("what a checkpoint of a PeftMixedModel holds")
print(f"got:      {got}\nexpected: NotImplementedError")
sys.exit(not str(got).startswith("NotImplementedError"))
