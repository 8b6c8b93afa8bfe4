"""A resume casts an adapter made with autocast_adapter_dtype=False to float32.

Documented: train(resume_from_checkpoint=…), "training will resume from the
model/optimizer/scheduler states loaded here"
(https://huggingface.co/docs/transformers/main_classes/trainer), and get_peft_model,
autocast_adapter_dtype=False, which leaves the adapter in the base's bfloat16
(https://huggingface.co/docs/peft/package_reference/peft_model).

Instead: what follows is trained in another precision than what came before.

Why: transformers/trainer.py, Trainer._load_from_checkpoint calls
model.load_adapter(checkpoint, adapter, is_trainable=True) without autocast_adapter_dtype, whose
default True casts the adapter of the model that is there already to float32.
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
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=2,
)


def train(folder: str, checkpoint: str | None = None) -> set[torch.dtype]:
    torch.manual_seed(0)
    base = LlamaForCausalLM(LLAMA).to(torch.bfloat16)
    model = peft.get_peft_model(base, peft.LoraConfig(), autocast_adapter_dtype=False)
    arguments = TrainingArguments(
        folder,
        max_steps=2,
        save_steps=1,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    rows = torch.randint(3, 64, (16, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    trainer = Trainer(model, arguments, train_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train(resume_from_checkpoint=checkpoint)
    return {p.dtype for p in model.parameters() if p.requires_grad}


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("an adapter in bfloat16, 2 steps; again from checkpoint-1: its dtype afterwards")
with tempfile.TemporaryDirectory() as output_dir:
    expected = train(output_dir)
    got = train(output_dir, f"{output_dir}/checkpoint-1")
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
