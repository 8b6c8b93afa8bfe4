"""Under FSDP 1 a checkpoint of a PEFT model holds no adapter weights.

Documented: "intermediate checkpoints save only adapter weights" (Trainer.train() for PEFT), and
FSDP with PEFT (https://huggingface.co/docs/peft/accelerate/fsdp).

Instead: adapter_model.safetensors has no tensor in it, and a resume starts from fresh weights.

Why: peft/tuners/tuners_utils.py, _get_tuner_state_dict_key_prefixes collects the names of the
tuner's layers from model.named_modules() and removes "_fsdp_wrapped_module." only where a name
begins with it. FSDP 1 wraps every decoder layer and every trained layer, so the segment stands
within the names, and none is the beginning of a key of the state dict, which has no such segment.

Runs two processes over gloo on a CPU. Accelerate takes FSDP without a GPU for plain data
parallelism unless its state is prepared, and FSDP 1 without a GPU reads memory that it has freed,
which `keep_storage` prevents; neither has to do with what is shown.
"""

import contextlib
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
VERSION, STATE_DICT = 1, "FULL_STATE_DICT"
LLAMA = LlamaConfig(
    vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
)


@contextlib.contextmanager
def keep_storage(_):
    yield


def prepared_state():
    state = accelerate.PartialState(cpu=True, backend="gloo")
    state._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    if VERSION == 1:
        from torch.distributed.fsdp import _flat_param

        state._shared_state["device"] = torch.device("cpu")
        _flat_param.FlatParamHandle.to_cpu = keep_storage


def trainer(folder: str) -> Trainer:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LLAMA)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(model, config)
    fsdp = {"version": VERSION, "state_dict_type": STATE_DICT}
    if VERSION == 1:
        fsdp |= {"sync_module_states": False, "use_orig_params": True}
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
        fsdp_config=fsdp,
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
print("get_peft_model, FSDP 1, two processes, 2 steps; what is in checkpoint-2")
with tempfile.TemporaryDirectory() as output_dir:
    launch(output_dir)
    file = Path(output_dir) / "checkpoint-2" / "adapter_model.safetensors"
    with safe_open(file, "pt") as held:
        got = f"{len(list(held.keys()))} tensors"
expected = "8 tensors"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
