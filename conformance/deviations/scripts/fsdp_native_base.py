"""Under FSDP a checkpoint of a model with an adapter of its own holds the whole base model.

Documented: "intermediate checkpoints save only adapter weights" (Trainer.train() for PEFT), whose
example adds the adapter with model.add_adapter, and FSDP for PEFT models
(https://huggingface.co/docs/transformers/peft#distributed-training).

Instead: pytorch_model_fsdp.bin holds every weight of the base.

Why: transformers/trainer.py passes adapter_only=True to Accelerate's save_fsdp_model, which looks
for a PeftModel (is_peft_model in accelerate/utils/other.py). A Transformers model with an adapter
of its own is none, so its whole state is written.

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

os.environ |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo"}

import accelerate
import peft
import torch
import transformers
from accelerate.utils import DistributedType
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
VERSION, STATE_DICT = 2, "FULL_STATE_DICT"
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
    model.add_adapter(config)
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
print("add_adapter, FSDP 2, two processes, 2 steps; tensors of the base in checkpoint-2")
with tempfile.TemporaryDirectory() as output_dir:
    launch(output_dir)
    held = torch.load(f"{output_dir}/checkpoint-2/pytorch_model_fsdp.bin", weights_only=True)
    got = f"{sum('lora' not in name for name in held)} tensors"
expected = "0 tensors"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
