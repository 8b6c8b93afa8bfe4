"""label_smoothing_factor is silently ignored in question answering.

Documented: TrainingArguments.label_smoothing_factor, "Zero means no label smoothing, otherwise the
underlying onehot-encoded labels are changed"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: the loss is the same with it and without it, and no warning says so.

Why: transformers/trainer.py, Trainer.compute_loss takes the labels out of the batch for the
LabelSmoother only where they are called "labels"; question answering has "start_positions" and
"end_positions", so the model's own loss is used.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import BertConfig, BertForQuestionAnswering, Trainer, TrainingArguments

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

BERT = BertConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)


def loss(folder: str, smoothing: float) -> float:
    torch.manual_seed(0)
    config = peft.LoraConfig(target_modules=["query", "value"], task_type="QUESTION_ANS")
    model = peft.get_peft_model(BertForQuestionAnswering(BERT), config)
    arguments = TrainingArguments(
        folder,
        max_steps=1,
        logging_steps=1,
        label_smoothing_factor=smoothing,
        save_strategy="no",
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    rows = torch.randint(3, 64, (3, 8))
    data = [{"input_ids": row, "start_positions": 1, "end_positions": 2} for row in rows]
    trainer = Trainer(model, arguments, train_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer.train().training_loss


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("does a smoothing of 0.5 change the loss of the first step?")
with tempfile.TemporaryDirectory() as output_dir:
    got, expected = loss(output_dir, 0.5) != loss(output_dir, 0.0), True
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
