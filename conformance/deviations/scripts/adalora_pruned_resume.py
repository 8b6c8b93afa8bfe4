"""AdaLoRA cannot be resumed once it has pruned.

Documented: Trainer.train(resume_from_checkpoint=...), "training will resume from the
model/optimizer/scheduler states loaded here"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: RuntimeError, "size mismatch for ...lora_A".

Why: peft/tuners/adalora/model.py, _get_adapter_state_dict leaves the ranks out that rank_pattern
names as pruned. Loading resizes the adapter by the rank_pattern of its own config, which of a fresh
adapter is None: PeftModel.load_adapter reads the saved config only for an adapter that is new.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments

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
    initializer_range=0.2,
)


class Allocating(TrainerCallback):
    """Calls update_and_allocate where it is documented, before gradients are zeroed."""

    def on_optimizer_step(self, args, state, control, **seen) -> None:
        seen["model"].base_model.update_and_allocate(state.global_step)


def trainer(folder: str, seed: int) -> Trainer:
    """Fresh objects; ``seed`` draws the adapter's first weights, never the base's."""
    torch.manual_seed(0)
    base = LlamaForCausalLM(LLAMA)
    torch.manual_seed(seed)
    config = peft.AdaLoraConfig(
        task_type="CAUSAL_LM",
        target_modules=["q_proj", "v_proj"],
        init_r=4,
        target_r=2,
        tinit=1,
        tfinal=1,
        deltaT=1,
        total_step=4,
    )
    arguments = TrainingArguments(
        folder,
        max_steps=4,
        learning_rate=0.01,
        save_strategy="steps",
        save_steps=1,
        use_cpu=True,
        report_to=[],
    )
    rows = torch.randint(3, 64, (32, 8), generator=torch.Generator().manual_seed(0))
    examples = [{"input_ids": row, "labels": row} for row in rows]
    model = peft.get_peft_model(base, config)
    return Trainer(model, arguments, train_dataset=examples, callbacks=[Allocating()])


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
with tempfile.TemporaryDirectory() as output_dir:
    first = trainer(output_dir, seed=1)
    first.train()
    try:
        trainer(output_dir, seed=2).train(resume_from_checkpoint=f"{output_dir}/checkpoint-3")
        got = "resumed"
    except RuntimeError as error:
        got = f"RuntimeError: {' '.join(str(error).split())[:120]}"
expected = "resumed"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
