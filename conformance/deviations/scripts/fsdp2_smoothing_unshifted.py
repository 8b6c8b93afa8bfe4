"""Under FSDP 2 a causal model with adapters of its own is trained on labels smoothed, not shifted.

Documented: TrainingArguments.label_smoothing_factor smooths the labels; a causal model's loss is of
each token's prediction of the next one, and several processes give the loss that one gives.

Instead: each token's prediction is compared with that token itself, as for no causal model, and the
model learns to repeat what it reads. A model without adapters is trained so as well; a PeftModel is
not, nor is any under DDP or FSDP 1.

Why: Trainer.compute_loss looks the name of the model's class up among those of causal models, and
fully_shard, which makes the model an FSDPModule in place, puts "FSDP" before that name.

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
SHARDED = {
    "accelerator_config": {"use_configured_state": True},
    "fsdp": True,
    "fsdp_config": {"version": 2},
}


def prepared_state():
    state = accelerate.PartialState(cpu=True, backend="gloo")
    state._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    state._shared_state["device"] = torch.device("cpu")


def loss(folder: str, batch: int, **launched) -> float:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LLAMA)
    model.add_adapter(peft.LoraConfig(target_modules=["q_proj", "v_proj"]))
    rows = torch.randint(3, 64, (4, 8))
    arguments = TrainingArguments(
        folder,
        max_steps=1,
        save_strategy="no",
        per_device_train_batch_size=batch,
        label_smoothing_factor=0.1,
        use_cpu=True,
        report_to=[],
        **launched,
    )
    data = [{"input_ids": row, "labels": row} for row in rows]
    return Trainer(model, arguments, train_dataset=data).train().training_loss


def rank(folder: str) -> None:
    prepared_state()
    Path(folder, os.environ["RANK"]).write_text(f"{loss(folder, batch=2, **SHARDED):.4f}")


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
print("smoothed loss of four examples, in two processes under FSDP 2 and in one")
with tempfile.TemporaryDirectory() as output_dir:
    launch(output_dir)
    got = Path(output_dir, "0").read_text()
    expected = f"{loss(output_dir, batch=4):.4f}"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
