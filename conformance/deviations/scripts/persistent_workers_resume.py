"""Resumed on the edge of an epoch with persistent workers, dropout draws other numbers.

Documented: train(resume_from_checkpoint=…), "training will resume from the
model/optimizer/scheduler states loaded here", and dataloader_persistent_workers, which keeps the
workers alive and nothing else (https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: the losses after the resume differ from those of the uninterrupted training.

Why: transformers/trainer.py, Trainer._run_epoch restores the generator's state on the edge of an
epoch and then calls iter(train_dataloader). torch/utils/data/dataloader.py draws a seed for the
workers from that generator when it starts them: in each epoch where they do not stay, in the first
epoch only where they do. The resumed training starts them after the state was restored.
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
    attention_dropout=0.5,
)


def train(folder: str, checkpoint: str | None = None) -> list[float]:
    torch.manual_seed(0)
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), peft.LoraConfig())
    arguments = TrainingArguments(
        folder,
        num_train_epochs=2,
        per_device_train_batch_size=2,
        learning_rate=0.01,
        logging_steps=1,
        save_strategy="epoch",
        dataloader_num_workers=1,
        dataloader_persistent_workers=True,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    rows = torch.randint(3, 64, (4, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    trainer = Trainer(model, arguments, train_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train(resume_from_checkpoint=checkpoint)
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry][2:]


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("2 epochs of 2 steps with dropout; again from checkpoint-2: losses of steps 3 and 4")
with tempfile.TemporaryDirectory() as output_dir:
    expected = train(output_dir)
    got = train(output_dir, f"{output_dir}/checkpoint-2")
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
