"""Context-aware prompt tuning resumes from other weights than were trained.

Documented: Trainer.train(resume_from_checkpoint=...), "training will resume from the
model/optimizer/scheduler states loaded here"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: after loading a checkpoint into freshly built objects the trained delta is zero.

Why: peft/utils/save_and_load.py, get_peft_model_state_dict stores for prompt learning only the
embeddings that the encoder computes, for CPT the context's embeddings plus the delta
(PeftModel.get_prompt_embedding_to_save). Loaded, the sum takes the place of the frozen embeddings
and the delta starts from zero, so that the bound on its size counts from another point as well.
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
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=2,
)
CONFIG = peft.CPTConfig(
    task_type="CAUSAL_LM", cpt_token_ids=[5, 9, 7, 11], cpt_tokens_type_mask=[1, 2, 3, 4]
)


def trainer(folder: str, seed: int, steps: int) -> Trainer:
    """Fresh objects; ``seed`` draws the prompt's first weights, never the base's."""
    torch.manual_seed(0)
    base = LlamaForCausalLM(LLAMA)
    torch.manual_seed(seed)
    model = peft.get_peft_model(base, CONFIG)
    arguments = TrainingArguments(
        folder, max_steps=steps, save_strategy="steps", save_steps=2, use_cpu=True, report_to=[]
    )
    rows = torch.randint(3, 64, (8, 8), generator=torch.Generator().manual_seed(0))
    return Trainer(model, arguments, train_dataset=[{"input_ids": r, "labels": r} for r in rows])


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
with tempfile.TemporaryDirectory() as output_dir:
    first = trainer(output_dir, seed=1, steps=2)
    first.train()
    second = trainer(output_dir, seed=2, steps=3)
    second._load_from_checkpoint(f"{output_dir}/checkpoint-2")
trained = {n: p for n, p in first.model.named_parameters() if p.requires_grad}
resumed = dict(second.model.named_parameters())
got = [name for name, p in trained.items() if not torch.equal(p, resumed[name])]
print("tensors that differ once the checkpoint is loaded")
expected: list[str] = []
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
