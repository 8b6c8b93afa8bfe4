"""P-tuning resumes from other weights than were trained.

Documented: Trainer.train(resume_from_checkpoint=...), "training will resume from the
model/optimizer/scheduler states loaded here"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: after loading a checkpoint into freshly built objects the prompt encoder has its first
weights, not the trained ones; optimizer moments are those of the trained ones.

Why: peft/utils/save_and_load.py, get_peft_model_state_dict stores for prompt learning only the
embeddings that the prompt encoder computes (PeftModel.get_prompt_embedding_to_save), which is
enough for inference, and not the encoder's own parameters, which are what trains.
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


def trainer(folder: str, seed: int, steps: int) -> Trainer:
    """Fresh objects; ``seed`` draws the prompt encoder's first weights, never the base's."""
    torch.manual_seed(0)
    base = LlamaForCausalLM(LLAMA)
    torch.manual_seed(seed)
    config = peft.PromptEncoderConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=4, encoder_hidden_size=8
    )
    model = peft.get_peft_model(base, config)
    arguments = TrainingArguments(
        folder, max_steps=steps, save_steps=2, learning_rate=0.0, use_cpu=True, report_to=[]
    )
    rows = torch.randint(3, 64, (8, 8), generator=torch.Generator().manual_seed(0))
    return Trainer(model, arguments, train_dataset=[{"input_ids": r, "labels": r} for r in rows])


def main() -> int:
    for library in (transformers, peft, torch):
        print(library.__name__, library.__version__)
    with tempfile.TemporaryDirectory() as folder:
        # The rate is zero: whatever differs afterwards was not restored.
        first = trainer(folder, seed=1, steps=2)
        first.train()
        second = trainer(folder, seed=2, steps=3)
        second.train(resume_from_checkpoint=f"{folder}/checkpoint-2")
    trained = {n: p for n, p in first.model.named_parameters() if p.requires_grad}
    resumed = dict(second.model.named_parameters())
    different = [name for name, p in trained.items() if not torch.equal(p, resumed[name])]
    print(f"got:      {len(different)} of {len(trained)} trained tensors differ after the resume")
    print("expected: none")
    return int(bool(different))


if __name__ == "__main__":
    sys.exit(main())
