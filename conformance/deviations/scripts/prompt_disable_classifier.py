"""A prompt that was trained for a classifier cannot be disabled.

Documented: PeftModel.disable_adapter, "context manager that disables the adapter module. Use this
to run inference on the base model" (https://huggingface.co/docs/peft/package_reference/peft_model).

Instead: UnboundLocalError for prompt tuning, P-tuning, prefix tuning and multitask prompt tuning of
any model that does not generate.

Why: peft/peft_model.py, disable_adapter swaps prepare_inputs_for_generation, which
PeftModelForSequenceClassification does not have. The AttributeError is raised before
old_prepare_inputs_for_generation is bound, which the finally clause then reads.
"""

import os
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import BertConfig, BertForSequenceClassification

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

BERT = BertConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
)


def disable(config: peft.PeftConfig) -> str:
    model = peft.get_peft_model(BertForSequenceClassification(BERT), config)
    try:
        with model.disable_adapter():
            model(input_ids=torch.randint(3, 64, (2, 8)))
    except UnboundLocalError as error:
        return f"UnboundLocalError: {error}"
    return "the base's logits"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
common = {"task_type": "SEQ_CLS", "num_virtual_tokens": 4}
got = {
    "prompt tuning": disable(peft.PromptTuningConfig(**common)),
    "prefix tuning": disable(peft.PrefixTuningConfig(**common)),
    "P-tuning": disable(peft.PromptEncoderConfig(**common, encoder_hidden_size=8)),
}
expected = dict.fromkeys(got, "the base's logits")
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
