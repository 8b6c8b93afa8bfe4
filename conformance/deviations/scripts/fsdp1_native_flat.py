"""Under FSDP 1 without use_orig_params a base whose adapter was added with add_adapter is refused.

Documented: "PEFT adapters work with distributed training out of the box", and for FSDP a wrapping
policy that handles LoRA layers (https://huggingface.co/docs/transformers/peft#distributed-training,
whose example adds the adapter with model.add_adapter); `use_orig_params` "needs to be False to
realize GPU memory savings" (https://huggingface.co/docs/peft/accelerate/fsdp).

Instead: train() raises "Must flatten tensors with uniform `requires_grad`".

Why: transformers/trainer.py calls update_fsdp_plugin_peft only `if _is_peft_model(self.model)`. A
Transformers model with an adapter of its own is none, so a decoder layer's frozen and trainable
parameters are to share one flat parameter, which torch refuses where only that one is left to ask.

Runs two processes over gloo on a CPU. Accelerate takes FSDP without a GPU for plain data
parallelism unless its state is prepared; that has nothing to do with what is shown.
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
    model.add_adapter(config)
    fsdp = {"version": 1, "sync_module_states": False, "use_orig_params": False}
    arguments = TrainingArguments(
        folder,
        max_steps=2,
        save_strategy="no",
        per_device_train_batch_size=2,
        use_cpu=True,
        report_to=[],
        accelerator_config={"use_configured_state": True},
        fsdp=True,
        fsdp_config=fsdp,
    )
    rows = torch.randint(3, 64, (8, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    return Trainer(model, arguments, train_dataset=data)


def rank(folder: str) -> None:
    prepared_state()
    training = trainer(folder)
    file = Path(folder) / f"rank-{training.args.process_index}.txt"
    try:
        training.train()
        file.write_text("trained")
    except ValueError as error:
        file.write_text(f"ValueError: {error}")


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
print("add_adapter, FSDP 1, use_orig_params=False")
with tempfile.TemporaryDirectory() as output_dir:
    launch(output_dir)
    got = (Path(output_dir) / "rank-0.txt").read_text()
expected = "trained"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
