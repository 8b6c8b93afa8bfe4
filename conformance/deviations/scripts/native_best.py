"""With an adapter added by `add_adapter`, load_best_model_at_end=True ends in an error.

Documented: load_best_model_at_end, "whether or not to load the best model found during training at
the end of training" (https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: all steps are taken, then FileNotFoundError: pytorch_model.bin, and train() returns
nothing.

Why: transformers/trainer.py, Trainer._load_best_model sees adapter_model.safetensors in the best
checkpoint and goes on, but loads adapters only `if _is_peft_model(model)`, which asks for the
classes PeftModel and PeftMixedModel. A Transformers model with an adapter of its own is neither,
so the branch for full models reads pytorch_model.bin without looking whether it is there.
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


def train(folder: str) -> str:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LLAMA)
    model.add_adapter(peft.LoraConfig(target_modules=["q_proj", "v_proj"]))
    arguments = TrainingArguments(
        folder,
        max_steps=2,
        eval_strategy="steps",
        eval_steps=1,
        save_strategy="steps",
        save_steps=1,
        load_best_model_at_end=True,
        metric_for_best_model="loss",
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    rows = torch.randint(3, 64, (4, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    trainer = Trainer(model, arguments, train_dataset=data, eval_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    try:
        trainer.train()
    except FileNotFoundError as error:
        return f"FileNotFoundError: {str(error).replace(folder, '...')}"
    return "trained, best adapter loaded"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("add_adapter, train 2 steps with load_best_model_at_end=True, metric_for_best_model='loss'")
with tempfile.TemporaryDirectory() as output_dir:
    got = train(output_dir)
expected = "trained, best adapter loaded"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
