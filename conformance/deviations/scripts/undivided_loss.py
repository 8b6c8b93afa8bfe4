"""Loss and gradients grow with gradient_accumulation_steps for BERT classifiers, T5 and others.

Documented: gradient_accumulation_steps, "simulates larger batch sizes without additional memory"
(https://huggingface.co/docs/transformers/main_classes/trainer): 4 batches of 2 are one batch of 8.

Instead: the loss is the sum of the micro-batches' means, 4 times too large, and so are gradients.

Why: transformers/trainer.py, Trainer.__init__ takes any forward() with **kwargs for one that
divides its loss by num_items_in_batch (model_accepts_loss_kwargs), so Trainer.training_step does
not divide by the accumulation steps. BertForSequenceClassification.forward has **kwargs, yet takes
CrossEntropyLoss() of its own, a mean over the micro-batch, and drops num_items_in_batch.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

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


def first_step(folder: str, batch_size: int, accumulation: int) -> tuple[float, float]:
    torch.manual_seed(0)
    config = peft.LoraConfig(target_modules=["query", "value"], task_type="SEQ_CLS")
    model = peft.get_peft_model(BertForSequenceClassification(BERT), config)
    arguments = TrainingArguments(
        folder,
        max_steps=1,
        logging_steps=1,
        per_device_train_batch_size=batch_size,
        gradient_accumulation_steps=accumulation,
        save_strategy="no",
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    rows = torch.randint(3, 64, (8, 8))
    data = [{"input_ids": row, "labels": number % 2} for number, row in enumerate(rows)]
    trainer = Trainer(model, arguments, train_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    log = trainer.state.log_history[0]
    return round(log["loss"], 3), round(log["grad_norm"], 3)


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print(
    "one step on the same 8 examples: (loss, gradient norm) of 4 batches of 2, and of 1 batch of 8"
)
with tempfile.TemporaryDirectory() as output_dir:
    got, expected = first_step(output_dir, 2, 4), first_step(output_dir, 8, 1)
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
