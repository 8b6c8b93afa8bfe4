"""The eval_loss of Seq2SeqTrainer gives a shorter last batch the weight of a whole one.

Documented: Seq2SeqTrainer.evaluate "returns metrics", among them the evaluation loss
(https://huggingface.co/docs/transformers/main_classes/trainer); the loss of a dataset does not
depend on how it is cut into batches, and Trainer's does not.

Instead: with three examples in batches of two, the third counts twice.

Why: transformers/trainer_seq2seq.py, Seq2SeqTrainer.evaluate sets `gather_function` to
`accelerator.gather` ("We don't want to drop samples in general"). Trainer.evaluation_loop gathers
`losses.repeat(batch_size)` by it, with the configured batch size, and relies on
`gather_for_metrics` to cut what is repeated for the last batch to the examples it has.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    Trainer,
)

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


def eval_loss(trainer_class: type, folder: str) -> float:
    torch.manual_seed(0)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
    arguments = Seq2SeqTrainingArguments(
        folder, per_device_eval_batch_size=2, use_cpu=True, report_to=[], disable_tqdm=True
    )
    rows = torch.randint(3, 64, (3, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    trainer = trainer_class(model, arguments, eval_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    return float(trainer.evaluate()["eval_loss"])


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        expected, got = (eval_loss(one, folder) for one in (Trainer, Seq2SeqTrainer))
    print(f"transformers {transformers.__version__}, peft {peft.__version__}")
    print(f"got: eval_loss {got:.6f} of three examples in batches of two")
    print(f"expected: {expected:.6f}, as Trainer has it")
    return int(abs(got - expected) > 1e-5)


if __name__ == "__main__":
    sys.exit(main())
