"""Question answering under accumulation takes the mean of the micro-batches' means.

Documented: gradient_accumulation_steps, "simulates larger batch sizes without additional memory"
(https://huggingface.co/docs/transformers/main_classes/trainer): batches of 2 and 1 are one of 3.

Instead: the example of the smaller batch counts twice as much as the others.

Why: transformers/trainer.py, Trainer._get_num_items_in_batch counts items only where a batch has
"labels"; question answering has "start_positions" and "end_positions", so num_items_in_batch is
None and Trainer.training_step divides each micro-batch's mean by the number of micro-batches.
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


def loss(folder: str, batch_size: int, accumulation: int) -> float:
    torch.manual_seed(0)
    config = peft.LoraConfig(target_modules=["query", "value"], task_type="QUESTION_ANS")
    model = peft.get_peft_model(BertForQuestionAnswering(BERT), config)
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
    rows = torch.randint(3, 64, (3, 8))
    data = [
        {"input_ids": row, "start_positions": number, "end_positions": 2 * number}
        for number, row in enumerate(rows)
    ]
    trainer = Trainer(model, arguments, train_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    return round(trainer.train().training_loss, 4)


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("loss of one step on the same 3 examples: batches of 2 and 1 accumulated, and 1 batch of 3")
with tempfile.TemporaryDirectory() as output_dir:
    got, expected = loss(output_dir, 2, 2), loss(output_dir, 3, 1)
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
