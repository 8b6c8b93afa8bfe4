"""Under FSDP 2 a checkpoint holds a weight of the base that the head shares with the embedding.

Documented: checkpoints of a PEFT model hold the adapter's weights alone.

Instead: pytorch_model_fsdp.bin holds the head's weight, which is the embedding's.

Why: Accelerate asks torch for a state dict without frozen parameters (ignore_frozen_params).
torch.distributed.checkpoint.state_dict._get_model_state_dict takes those out by the names that
named_parameters gives, which names a shared one once; its other name stays.

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
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
GPT2 = GPT2Config(vocab_size=64, n_positions=16, n_embd=16, n_layer=2, n_head=2)


def prepared_state():
    state = accelerate.PartialState(cpu=True, backend="gloo")
    state._shared_state["distributed_type"] = DistributedType.MULTI_GPU


def trainer(folder: str) -> Trainer:
    torch.manual_seed(0)
    config = peft.LoraConfig(target_modules=["c_attn"], fan_in_fan_out=True, task_type="CAUSAL_LM")
    model = peft.get_peft_model(GPT2LMHeadModel(GPT2), config)
    arguments = TrainingArguments(
        folder,
        max_steps=2,
        save_strategy="steps",
        save_steps=1,
        per_device_train_batch_size=2,
        use_cpu=True,
        report_to=[],
        accelerator_config={"use_configured_state": True},
        fsdp=True,
        fsdp_config={"version": 2},
    )
    rows = torch.randint(3, 64, (8, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    return Trainer(model, arguments, train_dataset=data)


def rank(folder: str) -> None:
    prepared_state()
    trainer(folder).train()


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
print("FSDP 2, GPT-2, whose head and embedding share one weight")
with tempfile.TemporaryDirectory() as output_dir:
    launch(output_dir)
    written = torch.load(Path(output_dir, "checkpoint-1", "pytorch_model_fsdp.bin"))
got = [f"{name} {tuple(held.shape)}" for name, held in written.items() if "lora_" not in name]
print(f"tensors of the adapter in pytorch_model_fsdp.bin: {len(written) - len(got)}")
print(f"got:      {got} of the base\nexpected: [] of the base")
sys.exit(bool(got))
