"""SFTTrainer gathers the logits of an evaluation that were to be ignored.

Documented: evaluate(ignore_keys=...), "a list of keys in the output of your model (if it is a
dictionary) that should be ignored when gathering predictions"
(https://huggingface.co/docs/transformers/main_classes/trainer#transformers.Trainer.evaluate).

Instead: the logits are gathered and handed to compute_metrics.

Why: trl/trainer/sft_trainer.py, SFTTrainer.prediction_step takes ignore_keys and does not use it.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import datasets
import peft
import tokenizers
import torch
import transformers
import trl
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

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
WORDS = tokenizers.Tokenizer(tokenizers.models.WordLevel({str(n): n for n in range(64)}, "0"))


def trainer(folder: str) -> trl.SFTTrainer:
    torch.manual_seed(0)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    arguments = trl.SFTConfig(
        folder,
        max_steps=3,
        per_device_train_batch_size=1,
        logging_steps=1,
        save_steps=1,
        bf16=False,
        gradient_checkpointing=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    rows = torch.randint(3, 64, (3, 8)).tolist()
    built = trl.SFTTrainer(
        LlamaForCausalLM(LLAMA),
        arguments,
        train_dataset=datasets.Dataset.from_list([{"input_ids": r, "labels": r} for r in rows]),
        processing_class=PreTrainedTokenizerFast(tokenizer_object=WORDS, pad_token="0"),  # noqa: S106
        peft_config=config,
    )
    built.remove_callback(transformers.PrinterCallback)
    return built


def main() -> int:
    shapes: list[str] = []

    def metrics(prediction: transformers.EvalPrediction) -> dict[str, float]:
        shapes.append(f"logits of shape {tuple(prediction.predictions.shape)}")
        return {}

    with tempfile.TemporaryDirectory() as folder:
        built = trainer(folder)
        built.compute_metrics = metrics
        built.evaluate(built.train_dataset, ignore_keys=["logits", "past_key_values"])
    got, expected = ", ".join(shapes) or "nothing", "nothing"
    versions = f"trl {trl.__version__}, peft {peft.__version__}"
    print(f"transformers {transformers.__version__}, {versions}")
    print("evaluate(ignore_keys=['logits', 'past_key_values']), what compute_metrics was handed")
    print(f"got: {got}")
    print(f"expected: {expected}")
    return int(got != expected)


if __name__ == "__main__":
    sys.exit(main())
