"""GPT-2's smoothed training loss is too small: a position that nothing predicts counts in it.

Documented: label_smoothing_factor smooths the labels, whose loss is the mean over the predicted
tokens; for causal models "position 0 of each row is never a prediction target"
(transformers/trainer.py).

Instead: with every token labelled and rows of n tokens the loss is (n - 1) / n of that mean.

Why: transformers/trainer_pt_utils.py, LabelSmoother.__call__ divides by num_items_in_batch where
the Trainer counts one, and the Trainer counts the labels of GPT-2, which names no loss type, as
they stand: Trainer.__init__ sets _loss_shifts_labels only where LOSS_MAPPING has ForCausalLMLoss.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

GPT2 = GPT2Config(
    vocab_size=64, n_embd=16, n_layer=1, n_head=2, embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0
)


def losses(folder: str) -> tuple[float, float]:
    torch.manual_seed(0)
    config = peft.LoraConfig(task_type="CAUSAL_LM", fan_in_fan_out=True)
    model = peft.get_peft_model(GPT2LMHeadModel(GPT2), config)
    rows = torch.randint(3, 64, (4, 8))
    with torch.no_grad():
        scores = model(input_ids=rows).logits[:, :-1].flatten(0, 1)
        before = torch.nn.functional.cross_entropy(
            scores, rows[:, 1:].flatten(), label_smoothing=0.1
        ).item()
    arguments = TrainingArguments(
        folder,
        max_steps=1,
        label_smoothing_factor=0.1,
        per_device_train_batch_size=4,
        save_strategy="no",
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    data = [{"input_ids": row, "labels": row} for row in rows]
    trainer = Trainer(model, arguments, train_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    return round(trainer.train().training_loss, 3), round(before, 3)


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("GPT-2, one step on one batch of 4 rows of 8 tokens: training_loss, and the smoothed mean")
with tempfile.TemporaryDirectory() as output_dir:
    got, expected = losses(output_dir)
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
