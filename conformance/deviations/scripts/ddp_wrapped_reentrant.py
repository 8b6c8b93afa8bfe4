"""Under DDP a PEFT model cannot be trained with re-entrant gradient checkpointing.

Documented: gradient_checkpointing and gradient_checkpointing_kwargs (TrainingArguments) work with
PEFT models and in several processes; what add_adapter made of the same model trains.

Instead: RuntimeError: Expected to mark a variable ready only once.

Why: Trainer._build_accelerator_args (transformers/trainer.py) has DDP look for unused
parameters unless gradients are checkpointed, since that "breaks checkpointing", but asks so of a
PreTrainedModel alone: for a PeftModel, which is none, DDP looks. ddp_find_unused_parameters=False
avoids it.

Runs two processes over gloo on a CPU.
"""

import os
import socket
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo"}

import peft
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
LLAMA = LlamaConfig(
    vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
)


def rank(folder: str) -> None:
    torch.manual_seed(0)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
    arguments = TrainingArguments(
        folder,
        max_steps=1,
        per_device_train_batch_size=2,
        use_cpu=True,
        report_to=[],
        gradient_checkpointing=True,
        gradient_checkpointing_kwargs={"use_reentrant": True},
    )
    rows = torch.randint(3, 64, (8, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    try:
        steps = Trainer(model, arguments, train_dataset=data).train().global_step
        said = f"a training of {steps} step"
    except RuntimeError as error:
        said = f"RuntimeError: {str(error).partition('.')[0]}"
    Path(folder, os.environ["RANK"]).write_text(said)


def launch(folder: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [
        subprocess.Popen(
            [sys.executable, __file__, folder],
            env={**os.environ, **world, "RANK": str(number), "LOCAL_RANK": str(number)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for number in range(2)
    ]
    for process in ranks:
        process.wait()


if len(sys.argv) > 1:
    rank(sys.argv[1])
    sys.exit()
versions = f"transformers {transformers.__version__}, peft {peft.__version__}"
print(f"{versions}, torch {torch.__version__}")
print("two processes, re-entrant gradient checkpointing, a model of get_peft_model")
with tempfile.TemporaryDirectory() as output_dir:
    launch(output_dir)
    got = Path(output_dir, "0").read_text()
expected = "a training of 1 step"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
