"""With an IterableDataset, dataloader_drop_last=True drops nothing.

Documented: dataloader_drop_last, "whether to drop the last incomplete batch (if the length of the
dataset is not divisible by the batch size) or not"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: the incomplete batch is trained on, as with False.

Why: transformers/trainer.py, Trainer._get_dataloader puts drop_last into the arguments of the
DataLoader only `if not isinstance(dataset, torch.utils.data.IterableDataset)`.
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
FIRST = range(10, 15)


class Stream(torch.utils.data.IterableDataset):
    """Five examples whose first tokens differ."""

    def __iter__(self):
        return iter([{"input_ids": [first] * 4, "labels": [first] * 4} for first in FIRST])

    def __len__(self) -> int:
        return len(FIRST)


def train(folder: str) -> int:
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), peft.LoraConfig())
    arguments = TrainingArguments(
        folder,
        num_train_epochs=1,
        per_device_train_batch_size=2,
        dataloader_drop_last=True,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    trainer = Trainer(model, arguments, train_dataset=Stream())
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer.train().global_step


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("5 examples in an IterableDataset with a length, batch 2, drop_last=True: steps of an epoch")
with tempfile.TemporaryDirectory() as output_dir:
    got = train(output_dir)
expected = 2
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
