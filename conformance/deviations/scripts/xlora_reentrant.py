"""Under re-entrant gradient checkpointing X-LoRA trains nothing, and says nothing.

Documented: TrainingArguments.gradient_checkpointing trades compute for memory
(https://huggingface.co/docs/transformers/main_classes/trainer#transformers.TrainingArguments).

Instead: a training that ends as if all was well, and a classifier, which is all that X-LoRA trains,
that did not move.

Why: peft/tuners/xlora/model.py scales its experts by hooks that live as long as the forward pass; a
block that is computed again in the backward pass has no scalings, and the classifier no gradient.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()

LLAMA = LlamaConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=2,
)

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
rows = [{"input_ids": torch.arange(8) + n, "labels": torch.arange(8) + n} for n in range(4)]

torch.manual_seed(0)
with tempfile.TemporaryDirectory() as folder:
    lora = peft.LoraConfig(
        task_type="CAUSAL_LM", target_modules=["q_proj"], init_lora_weights=False
    )
    for name in ("one", "other"):
        peft.get_peft_model(LlamaForCausalLM(LLAMA), lora).save_pretrained(f"{folder}/{name}")
    config = peft.XLoraConfig(
        task_type="CAUSAL_LM",
        hidden_size=LLAMA.hidden_size,
        adapters={"0": f"{folder}/one", "1": f"{folder}/other"},
    )
    base = LlamaForCausalLM(LLAMA)
    base.config.use_cache = False
    model = peft.get_peft_model(base, config)
    classifier = [p for name, p in model.named_parameters() if "internal_xlora" in name]
    before = [p.detach().clone() for p in classifier]
    args = TrainingArguments(
        folder,
        max_steps=1,
        gradient_checkpointing=True,
        gradient_checkpointing_kwargs={"use_reentrant": True},
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    Trainer(model, args, train_dataset=rows).train()
moved = [int((p != b).sum()) for p, b in zip(classifier, before, strict=True)]
print("Trainer(model, TrainingArguments(…, gradient_checkpointing=True)).train()")
print(f"got:      values of the classifier's tensors that moved {moved}\nexpected: some of each")
sys.exit(not all(moved))
