"""Under FSDP 1 with bf16 the buffers of the base are rounded to bfloat16, and stay so.

Documented: the base stays frozen (Trainer.train() for PEFT); bf16 is mixed precision, with weights
that stay as they are (TrainingArguments.bf16).

Instead: the frequencies of the rotary embedding, float32 before, are bfloat16 when training is
over, and positions are encoded with rounded ones meanwhile.

Why: set_mixed_precision in accelerate/utils/dataclasses.py takes the dtype of parameters for
buffers as well (buffer_dtype, unless buffer_autocast is set, which nothing sets); torch's FSDP 1
casts them in place at its first forward pass and never back.

Runs two processes over gloo on a CPU. Accelerate takes FSDP without a GPU for plain data
parallelism unless its state is prepared, which has nothing to do with what is shown.
"""

import os
import socket
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo"}

import accelerate
import peft
import torch
import transformers
from accelerate.utils import DistributedType
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
LLAMA = LlamaConfig(
    vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
)


def prepared_state():
    state = accelerate.PartialState(cpu=True, backend="gloo")
    state._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    state._shared_state["device"] = torch.device("cpu")


def trainer(folder: str) -> Trainer:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LLAMA)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(model, config)
    arguments = TrainingArguments(
        folder,
        max_steps=2,
        save_strategy="no",
        per_device_train_batch_size=2,
        use_cpu=True,
        report_to=[],
        accelerator_config={"use_configured_state": True},
        fsdp=True,
        fsdp_config={"version": 1, "sync_module_states": False},
        bf16=True,
    )
    rows = torch.randint(3, 64, (8, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    return Trainer(model, arguments, train_dataset=data)


def rank(folder: str) -> None:
    prepared_state()
    training = trainer(folder)
    training.train()
    kinds = {str(b.dtype) for n, b in training.model.named_buffers() if n.endswith("inv_freq")}
    Path(folder, os.environ["RANK"]).write_text(", ".join(sorted(kinds)))


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
print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, "
    f"accelerate {accelerate.__version__}, torch {torch.__version__}"
)
print("FSDP 1, bf16, two processes, 2 steps; the dtype of the rotary embedding's frequencies")
with tempfile.TemporaryDirectory() as output_dir:
    launch(output_dir)
    got = Path(output_dir, "0").read_text()
expected = "torch.float32"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
