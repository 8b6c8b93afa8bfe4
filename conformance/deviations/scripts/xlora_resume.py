"""X-LoRA cannot be resumed.

Documented: Trainer.train(resume_from_checkpoint=...), "training will resume from the
model/optimizer/scheduler states loaded here"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: ValueError, "loaded state dict contains a parameter group that doesn't match the size of
optimizer's group".

Why: for X-LoRA, PeftModel.active_adapters are the experts "0" and "1". transformers/trainer.py,
_load_from_checkpoint takes the first of them for the one that was trained and ends with
model.set_adapter("0"), which makes that expert trainable and the other one inactive.
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
transformers.logging.disable_progress_bar()

LLAMA = LlamaConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=2,
)


def xlora(folder: str, seed: int) -> peft.PeftModel:
    """X-LoRA over two experts that are saved in ``folder``; ``seed`` draws its classifier."""
    torch.manual_seed(0)
    lora = peft.LoraConfig(target_modules=["q_proj"], task_type="CAUSAL_LM")
    expert = peft.get_peft_model(LlamaForCausalLM(LLAMA), lora)
    torch.manual_seed(0)
    base = LlamaForCausalLM(LLAMA)
    base.config.use_cache = False
    adapters = {name: f"{folder}/expert-{name}" for name in ("0", "1")}
    for path in adapters.values():
        expert.save_pretrained(path)
    torch.manual_seed(seed)
    config = peft.XLoraConfig(task_type="CAUSAL_LM", hidden_size=16, adapters=adapters)
    return peft.get_peft_model(base, config)


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
rows = [{"input_ids": row, "labels": row} for row in torch.randint(3, 64, (8, 8))]
with tempfile.TemporaryDirectory() as output_dir:
    arguments = TrainingArguments(
        output_dir, max_steps=2, save_strategy="steps", save_steps=1, use_cpu=True, report_to=[]
    )
    Trainer(xlora(output_dir, seed=1), arguments, train_dataset=rows).train()
    second = Trainer(xlora(output_dir, seed=2), arguments, train_dataset=rows)
    try:
        second.train(resume_from_checkpoint=f"{output_dir}/checkpoint-1")
        got = "resumed"
    except ValueError as error:
        got = f"ValueError: {error}"
expected = "resumed"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
