"""Under FSDP 2 with its activation checkpointing a checkpoint holds no adapter weights.

Documented: "intermediate checkpoints save only adapter weights" (Trainer.train() for PEFT), and
fsdp_config["activation_checkpointing"] (TrainingArguments.fsdp_config), which is to save memory.

Instead: adapter_model.safetensors has no tensor in it.

Why: peft/tuners/tuners_utils.py, _get_tuner_state_dict_key_prefixes collects the names of the
tuner's layers from model.named_modules(). Accelerate's fsdp2_apply_ac has put every decoder layer
into a checkpoint wrapper, whose segment "_checkpoint_wrapped_module" stands within those names, and
none is the beginning of a key of the state dict, from which torch removes that segment.

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
from safetensors import safe_open
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
LLAMA = LlamaConfig(
    vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
)


def prepared_state():
    state = accelerate.PartialState(cpu=True, backend="gloo")
    state._shared_state["distributed_type"] = DistributedType.MULTI_GPU


def trainer(folder: str) -> Trainer:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LLAMA)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(model, config)
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
        fsdp_config={"version": 2, "activation_checkpointing": True},
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
print("FSDP 2, activation checkpointing, two processes, 2 steps; what is in checkpoint-2")
with tempfile.TemporaryDirectory() as output_dir:
    launch(output_dir)
    file = Path(output_dir) / "checkpoint-2" / "adapter_model.safetensors"
    with safe_open(file, "pt") as held:
        got = f"{len(list(held.keys()))} tensors"
expected = "8 tensors"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
