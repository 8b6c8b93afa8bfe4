"""FSDP 2's activation checkpointing computes layers again with other dropout.

Documented: fsdp_config["activation_checkpointing"] is "a technique to reduce memory usage by
clearing activations of certain layers and recomputing them during a backward pass"
(TrainingArguments.fsdp_config), which changes no gradient.

Instead: with dropout the gradients are those of another forward pass than gave the loss.

Why: fsdp2_apply_ac in accelerate/utils/fsdp_utils.py wraps the layers with
checkpoint_wrapper(layer, preserve_rng_state=False), so that dropout draws anew when a layer is
computed again. Under FSDP 1 accelerate/accelerator.py leaves torch's default, True.

Runs two processes over gloo on a CPU. Accelerate takes FSDP without a GPU for plain data
parallelism unless its state is prepared, which has nothing to do with what is shown.
"""

import os
import socket
import subprocess
import sys
import tempfile
import warnings

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


def trainer(folder: str, recompute: bool) -> Trainer:
    torch.manual_seed(0)
    config = peft.LoraConfig(target_modules=["q_proj"], lora_dropout=0.5, task_type="CAUSAL_LM")
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
    arguments = TrainingArguments(
        folder,
        max_steps=1,
        optim="sgd",
        learning_rate=1.0,
        save_strategy="no",
        per_device_train_batch_size=2,
        use_cpu=True,
        report_to=[],
        accelerator_config={"use_configured_state": True},
        fsdp=True,
        fsdp_config={"version": 2, "activation_checkpointing": recompute},
    )
    rows = torch.randint(3, 64, (8, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    return Trainer(model, arguments, train_dataset=data)


def rank(folder: str, recompute: bool) -> None:
    state = accelerate.PartialState(cpu=True, backend="gloo")
    state._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    training = trainer(folder, recompute)
    training.train()
    named = training.model.named_parameters()  # B began as zero: it is what was learned
    trained = [p.detach().full_tensor() for name, p in named if "lora_B" in name]
    if os.environ["RANK"] == "0":
        torch.save(torch.cat([tensor.flatten() for tensor in trained]), f"{folder}/{recompute}.pt")


def launch(*arguments: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
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
    rank(sys.argv[1], sys.argv[2] == "True")
    sys.exit()
print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, "
    f"accelerate {accelerate.__version__}, torch {torch.__version__}"
)
print("FSDP 2, lora_dropout 0.5, one step; lora_B with activation checkpointing and without it")
with tempfile.TemporaryDirectory() as output_dir:
    for whether in ("False", "True"):
        launch(output_dir, whether)
    plain, recomputed = (torch.load(f"{output_dir}/{each}.pt") for each in ("False", "True"))
    apart = float((plain - recomputed).norm() / plain.norm())
    got = "the same" if apart < 1e-6 else f"another, {apart:.2g} of its norm away"
expected = "the same"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
