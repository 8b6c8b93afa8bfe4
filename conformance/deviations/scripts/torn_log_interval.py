"""The loss logged first after a resume leaves out the steps before the checkpoint.

Documented: TrainingArguments.ignore_data_skip=False, the default, is for "exact continuation", and
logging_steps is the "number of update steps between two logs"
(https://huggingface.co/docs/transformers/main_classes/trainer): a log covers its interval.

Instead: the loss logged at step 6, resumed from step 4, is the mean over steps 5 and 6; without
the resume it is the mean over steps 4 to 6.

Why: transformers/trainer.py, Trainer._inner_training_loop starts with `_tr_loss = 0` and
`_globalstep_last_logged = global_step`; neither is in the TrainerState that a checkpoint holds, so
the sum of the losses since the last log is lost.
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


def trainer(folder: str) -> Trainer:
    torch.manual_seed(0)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
    arguments = TrainingArguments(
        folder,
        max_steps=6,
        learning_rate=0.1,
        per_device_train_batch_size=1,
        logging_steps=3,
        save_strategy="steps",
        save_steps=2,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    rows = torch.randint(3, 64, (6, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    built = Trainer(model, arguments, train_dataset=data)
    built.remove_callback(transformers.PrinterCallback)
    return built


def losses(trained: Trainer) -> list[float]:
    return [round(entry["loss"], 3) for entry in trained.state.log_history if "loss" in entry]


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("logging_steps=3, 6 steps in one go, and again resumed from checkpoint-4: logged losses")
with tempfile.TemporaryDirectory() as output_dir:
    full, resumed = trainer(output_dir), trainer(output_dir)
    full.train()
    resumed.train(resume_from_checkpoint=f"{output_dir}/checkpoint-4")
got, expected = losses(resumed), losses(full)
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
