"""Multitask prompt tuning of an encoder-decoder fails when the batch has decoder_input_ids.

Documented: PeftModelForSeq2SeqLM takes decoder_input_ids as the model does
(https://huggingface.co/docs/peft/package_reference/peft_model), and DataCollatorForSeq2Seq with a
model makes them (https://huggingface.co/docs/transformers/main_classes/data_collator).

Instead: TypeError, "expected Tensor as element 1 in argument 0, but got NoneType".

Why: peft/peft_model.py, PeftModelForSeq2SeqLM.forward embeds the decoder's input only where it made
it from the labels; with decoder_input_ids given, decoder_inputs_embeds stays None and is
concatenated with the prompt.
"""

import os
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import T5Config, T5ForConditionalGeneration

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

T5 = T5Config(
    vocab_size=64,
    d_model=16,
    d_kv=8,
    d_ff=32,
    num_layers=1,
    num_heads=2,
    decoder_start_token_id=0,
)

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
config = peft.MultitaskPromptTuningConfig(
    task_type="SEQ_2_SEQ_LM", num_virtual_tokens=4, num_tasks=2
)
model = peft.get_peft_model(T5ForConditionalGeneration(T5), config)
rows = torch.randint(3, 64, (2, 8))
batch = {"input_ids": rows, "attention_mask": torch.ones_like(rows), "labels": rows}
batch["decoder_input_ids"] = model.base_model.prepare_decoder_input_ids_from_labels(rows)
try:
    model(**batch, task_ids=torch.tensor([0, 1]))
    got = "a loss"
except TypeError as error:
    got = f"TypeError: {error}"
expected = "a loss"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
