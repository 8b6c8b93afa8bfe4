"""Under FSDP 2 a checkpoint over a 4-bit base holds the scales and tables of the base.

Documented: "intermediate checkpoints save only adapter weights" (Trainer.train() for PEFT); 4-bit
weights are packed in bytes unless bnb_4bit_quant_storage says otherwise.

Instead: pytorch_model_fsdp.bin holds, of every packed weight, what its bytes are read with.

Why: the state dict of a 4-bit layer of bitsandbytes names its scales and tables beside its weight.
Accelerate's save_fsdp_model has torch.distributed.checkpoint.state_dict leave frozen parameters
out, and these are no parameters.

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
    packed = BitsAndBytesConfig(load_in_4bit=True)
    model = LlamaForCausalLM.from_pretrained(f"{folder}/base", quantization_config=packed)
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
print("FSDP 2, 4-bit weights packed in bytes; what checkpoint-2 holds beside the adapter")
with tempfile.TemporaryDirectory() as output_dir:
    LlamaForCausalLM(LLAMA).save_pretrained(f"{output_dir}/base")
    launch(output_dir)
    held = torch.load(f"{output_dir}/checkpoint-2/pytorch_model_fsdp.bin", weights_only=True)
    got = f"{sum('lora' not in name for name in held)} tensors"
expected = "0 tensors"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
