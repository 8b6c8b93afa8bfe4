"""Out of memory after some steps, auto_find_batch_size begins again with the weights of then.

Documented: auto_find_batch_size, "whether to find a training batch size that will fit into memory
automatically through exponential decay"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: steps, data order and schedule begin anew, but the adapter and the optimizer's moments are
those of the steps before the error; the examples of those steps are trained on once more.

Why: transformers/trainer.py, Trainer.train calls _inner_training_loop again with another batch
size, which makes a new state and schedule; self.model is the trained one, and create_optimizer
makes an optimizer only `if self.optimizer is None`.
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


class ShortOfMemory(transformers.TrainerCallback):
    """After the first step no batch of more than 4 rows fits; remembers how attempts begin."""

    def __init__(self) -> None:
        self.begun: list[float] = []
        self.full = False

    def on_train_begin(self, args, state, control, model, **_) -> None:
        trainable = [p for p in model.parameters() if p.requires_grad]
        self.begun.append(sum(p.double().sum().item() for p in trainable))
        if len(self.begun) == 1:
            model.register_forward_pre_hook(self.allocate, with_kwargs=True)

    def on_step_end(self, *_, **__) -> None:
        self.full = True

    def allocate(self, _, __, named) -> None:
        if self.full and len(named["input_ids"]) > 4:
            torch.empty(2**52, dtype=torch.uint8)


def train(folder: str) -> list[float]:
    torch.manual_seed(0)
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), peft.LoraConfig())
    arguments = TrainingArguments(
        folder,
        max_steps=3,
        per_device_train_batch_size=8,
        auto_find_batch_size=True,
        learning_rate=0.01,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    rows = torch.randint(3, 64, (32, 8))
    watching = ShortOfMemory()
    data = [{"input_ids": row, "labels": row} for row in rows]
    trainer = Trainer(model, arguments, train_dataset=data, callbacks=[watching])
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    return watching.begun


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("batch 8, of which 4 fit after the first step: the sum of the adapter's weights at the start")
with tempfile.TemporaryDirectory() as output_dir:
    expected, *_, got = train(output_dir)
print(f"got:      {got} (last attempt)\nexpected: {expected} (first attempt)")
sys.exit(got != expected)
