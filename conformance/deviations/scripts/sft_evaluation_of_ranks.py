"""In several processes the eval_loss of SFTTrainer weighs each process's batch alike.

Documented: Trainer.evaluate returns "a dictionary containing the evaluation loss"
(https://huggingface.co/docs/transformers/main_classes/trainer#transformers.Trainer.evaluate), and
Trainer's own counts every supervised token of an evaluation step once, whichever process has it.

Instead: with two examples of eight and of two supervised tokens, one on each of two processes, the
eval_loss is the mean of both examples' means, not the mean over the ten tokens.

Why: trl/trainer/sft_trainer.py, SFTTrainer.prediction_step calls compute_loss without the
num_items_in_batch that Trainer.prediction_step counts over all processes and hands on.

Runs two processes over gloo on a CPU, which has nothing to do with what is shown.
"""

import os
import socket
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo"}

import datasets
import peft
import tokenizers
import torch
import transformers
import trl
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
LLAMA = LlamaConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=2,
)
WORDS = tokenizers.Tokenizer(tokenizers.models.WordLevel({str(n): n for n in range(64)}, "0"))


def evaluate(folder: str, batch_size: int) -> float:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LLAMA)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    arguments = trl.SFTConfig(
        folder,
        per_device_eval_batch_size=batch_size,
        bf16=False,
        gradient_checkpointing=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    torch.manual_seed(1)
    rows = torch.randint(3, 64, (2, 9)).tolist()
    labels = [rows[0], [-100] * 7 + rows[1][7:]]
    data = [{"input_ids": r, "labels": told} for r, told in zip(rows, labels, strict=True)]
    built = trl.SFTTrainer(
        model,
        arguments,
        train_dataset=datasets.Dataset.from_list(data),
        eval_dataset=datasets.Dataset.from_list(data),
        processing_class=PreTrainedTokenizerFast(tokenizer_object=WORDS, pad_token="0"),  # noqa: S106
        peft_config=config,
    )
    return built.evaluate()["eval_loss"]


def launch(*arguments: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    world = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    world |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [
        subprocess.Popen(
            [sys.executable, __file__, *arguments],
            env={**os.environ, **world, "RANK": str(number), "LOCAL_RANK": str(number)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for number in range(2)
    ]
    for process in ranks:
        process.wait()


if len(sys.argv) > 1:
    loss = evaluate(sys.argv[1], batch_size=1)
    Path(sys.argv[1], f"rank-{os.environ['RANK']}").write_text(repr(loss))
    sys.exit()
print(f"trl {trl.__version__}, transformers {transformers.__version__}, torch {torch.__version__}")
print("two examples of 8 and 2 supervised tokens, eval_loss of two processes and of one")
with tempfile.TemporaryDirectory() as output_dir:
    launch(output_dir)
    several = float(Path(output_dir, "rank-0").read_text())
    single = evaluate(output_dir, batch_size=2)
print(f"got:      {several:.6f}\nexpected: {single:.6f}")
sys.exit(abs(several - single) > 1e-5)
