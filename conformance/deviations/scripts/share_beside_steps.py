"""The best model is loaded at the end though checkpoints come without an evaluation.

Documented: TrainingArguments.load_best_model_at_end, "save_steps must be a round multiple of
eval_steps" (https://huggingface.co/docs/transformers/main_classes/trainer), where either may be "a
float in range [0,1)", "interpreted as ratio of total training steps".

Instead: eval_steps=0.5 with save_steps=2 is taken. Of five steps the third is evaluated, and the
second and fourth are saved, so that no checkpoint is known to be the best.

Why: transformers/training_args.py, TrainingArguments.__post_init__ refuses a share beside a number
of steps only where save_steps % eval_steps is not 0, and 2 % 0.5 is.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from transformers import TrainingArguments

warnings.simplefilter("ignore")


def refused(share: float) -> bool:
    """Whether evaluations at this share of all steps are refused beside a save every second."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            TrainingArguments(
                folder,
                eval_strategy="steps",
                eval_steps=share,
                save_strategy="steps",
                save_steps=2,
                load_best_model_at_end=True,
                use_cpu=True,
                report_to=[],
            )
        except ValueError:
            return True
    return False


print(f"transformers {transformers.__version__}, torch {torch.__version__}")
print("load_best_model_at_end with save_steps=2, refused by eval_steps")
got = {share: refused(share) for share in (0.3, 0.5)}
expected = {0.3: True, 0.5: True}
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
