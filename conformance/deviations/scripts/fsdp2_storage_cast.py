"""Under FSDP 2 4-bit weights stored in another dtype than mixed precision's are cast like numbers.

Documented: for QLoRA under FSDP the Trainer "adjusts the mixed precision policy to match the
quantization storage dtype" (https://huggingface.co/docs/transformers/peft#distributed-training).

Instead: with bf16=True and weights packed in float32 the policy stays bfloat16. Gathering the
weights casts them, which halves their bytes, and the first forward pass fails on their shape.

Why: _prepare_for_training in transformers/trainer.py calls update_fsdp_plugin_peft only where the
optimizer is created after the model is wrapped, and under FSDP 2 it is created before.

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
from transformers import (
    BitsAndBytesConfig,
    LlamaConfig,
    LlamaForCausalLM,
    Trainer,
    TrainingArguments,
)

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
    packed = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_storage=torch.float32)
    model = LlamaForCausalLM.from_pretrained(f"{folder}/base", quantization_config=packed)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(model, config)
    arguments = TrainingArguments(
        folder,
        max_steps=2,
        save_strategy="no",
        bf16=True,
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
    training = trainer(folder)
    try:
        training.train()
        said = "trained"
    except RuntimeError as error:
        said = f"RuntimeError: {error}"
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
print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, "
    f"accelerate {accelerate.__version__}, torch {torch.__version__}"
)
print("FSDP 2 in bfloat16, 4-bit weights stored as float32")
with tempfile.TemporaryDirectory() as output_dir:
    LlamaForCausalLM(LLAMA).save_pretrained(f"{output_dir}/base")
    launch(output_dir)
    got = Path(output_dir, "0").read_text()
expected = "trained"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
