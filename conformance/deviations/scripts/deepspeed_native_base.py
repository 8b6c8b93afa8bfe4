"""Under DeepSpeed a checkpoint of a model with an adapter of its own holds the whole base model.

Documented: "intermediate checkpoints save only adapter weights" (Trainer.train() for PEFT), whose
example adds the adapter with model.add_adapter, and DeepSpeed for PEFT models
(https://huggingface.co/docs/transformers/peft#distributed-training).

Instead: DeepSpeed's shards hold every weight of the base.

Why: transformers/trainer.py, _save_optimizer_and_scheduler passes exclude_frozen_parameters=True to
DeepSpeed's save_checkpoint only if _is_peft_model(self.model). A Transformers model with an adapter
of its own is none.

Runs two processes over gloo on a CPU, which has nothing to do with what is shown. DeepSpeed
compiles a small extension at its first start.
"""

import importlib.metadata
import importlib.util
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
DEEPSPEED = {
    "zero_optimization": {"stage": 2},
    "train_batch_size": "auto",
    "train_micro_batch_size_per_gpu": "auto",
}


def rank(folder: str) -> None:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LLAMA)
    model.add_adapter(peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    arguments = TrainingArguments(
        folder,
        max_steps=2,
        save_strategy="steps",
        save_steps=1,
        per_device_train_batch_size=2,
        use_cpu=True,
        report_to=[],
        deepspeed=DEEPSPEED,
    )
    rows = torch.randint(3, 64, (8, 8))
    Trainer(
        model, arguments, train_dataset=[{"input_ids": row, "labels": row} for row in rows]
    ).train()


def launch(folder: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    world = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    world |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
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
here = importlib.util.find_spec("deepspeed") is not None
print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}, "
    f"deepspeed {importlib.metadata.version('deepspeed') if here else 'none'}"
)
print("add_adapter, ZeRO 2, two processes, 2 steps; tensors of the base in checkpoint-2")
expected = "0 tensors"
if not here:
    print("not here: deepspeed is not installed")
    got = expected
else:
    with tempfile.TemporaryDirectory() as output_dir:
        launch(output_dir)
        shard = Path(output_dir) / "checkpoint-2/global_step2/mp_rank_00_model_states.pt"
        held = torch.load(shard, weights_only=False)["module"]
        got = f"{sum('lora' not in name for name in held)} tensors"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
