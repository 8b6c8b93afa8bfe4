"""GPT-2's training loss is too small: a position that nothing predicts counts in the denominator.

Documented: the loss of a language model is the mean over the predicted tokens, as the model itself
returns it; "this is used to correctly scale the loss" of Trainer._get_num_items_in_batch, and for
causal models "position 0 of each row is never a prediction target" (transformers/trainer.py).

Instead: with every token labelled and rows of n tokens the loss is (n - 1) / n of that mean.

Why: transformers/trainer.py, Trainer.__init__ sets _loss_shifts_labels only where LOSS_MAPPING has
ForCausalLMLoss under model.loss_type. transformers/modeling_utils.py finds the loss type in the
class's name; "GPT2LMHeadModel" contains none, so it is None. The loss is ForCausalLMLoss all the
same (PreTrainedModel.loss_function falls back to it), but labels are counted unshifted.
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
        before = model(input_ids=rows, labels=rows).loss.item()
    arguments = TrainingArguments(
        folder,
        max_steps=1,
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
print("GPT-2, one step on one batch of 4 rows of 8 tokens: training_loss, and the model's own loss")
with tempfile.TemporaryDirectory() as output_dir:
    got, expected = losses(output_dir)
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
