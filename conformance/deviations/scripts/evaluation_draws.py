"""An evaluation in the middle of a training changes the random numbers of the rest of it.

Documented: Trainer.evaluate "will run an evaluation and return metrics"
(https://huggingface.co/docs/transformers/main_classes/trainer); nothing says that evaluating
changes the training.

Instead: with dropout, a training that is evaluated ends with another adapter than the same
training, same seed, that is not.

Why: transformers/trainer.py, Trainer.evaluation_loop iterates a DataLoader that has no generator of
its own; torch/utils/data/dataloader.py, _BaseDataLoaderIter.__init__ then draws its base seed from
the global generator, which the dropout of the next step draws from too.
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


def trained(evaluations: str) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    config = peft.LoraConfig(
        target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", lora_dropout=0.5
    )
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
    rows = torch.randint(3, 64, (8, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            max_steps=4,
            per_device_train_batch_size=2,
            learning_rate=0.01,
            eval_strategy=evaluations,
            eval_steps=1,
            save_strategy="no",
            use_cpu=True,
            report_to=[],
        )
        Trainer(model, arguments, train_dataset=data, eval_dataset=data).train()
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def main() -> int:
    for library in (transformers, peft, torch):
        print(library.__name__, library.__version__)
    evaluated, plain = trained("steps"), trained("no")
    different = [name for name in plain if not torch.equal(plain[name], evaluated[name])]
    print(f"got:      {len(different)} of {len(plain)} adapter tensors differ with evaluations")
    print("expected: none")
    return int(bool(different))


if __name__ == "__main__":
    sys.exit(main())
