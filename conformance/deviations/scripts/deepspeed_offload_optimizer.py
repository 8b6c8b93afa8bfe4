"""ZeRO's optimizer offload steps with Adam, whatever optimizer was asked for.

Documented: TrainingArguments.optim, "the optimizer to use", and that with offload any optimizer but
LAMB may be used that runs on a CPU and on a GPU (https://huggingface.co/docs/transformers/deepspeed;
transformers/integrations/deepspeed.py, deepspeed_optim_sched).

Instead: with optim="sgd" the adapter is stepped by DeepSpeedCPUAdam, and nobody is told.

Why: accelerate/utils/deepspeed.py, map_pytorch_optim_to_deepspeed puts DeepSpeedCPUAdam in the
place of every optimizer but Adagrad and bitsandbytes' Lion, unless the config says
zero_force_ds_cpu_optimizer: false.

Runs two processes over gloo on a CPU, which has nothing to do with what is shown. DeepSpeed
compiles two extensions at its first start.
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
    "zero_optimization": {"stage": 1, "offload_optimizer": {"device": "cpu"}},
    "train_batch_size": "auto",
    "train_micro_batch_size_per_gpu": "auto",
    "gradient_clipping": "auto",
}


def trainer(folder: str, **more) -> Trainer:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LLAMA)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    arguments = TrainingArguments(
        folder,
        max_steps=2,
        logging_steps=1,
        save_strategy="no",
        optim="sgd",
        per_device_train_batch_size=2,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        **more,
    )
    rows = torch.randint(3, 64, (8, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    return Trainer(peft.get_peft_model(model, config), arguments, train_dataset=data)


def launch(*arguments: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    world = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    world |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
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


def rank(folder: str) -> None:
    training = trainer(folder, deepspeed=DEEPSPEED)
    training.train()
    stepped = training.model_wrapped.optimizer.optimizer
    file = Path(folder) / f"rank-{training.args.process_index}.txt"
    file.write_text(type(stepped).__name__)


if len(sys.argv) > 1:
    rank(sys.argv[1])
    sys.exit()
here = importlib.util.find_spec("deepspeed") is not None
print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}, "
    f"deepspeed {importlib.metadata.version('deepspeed') if here else 'none'}"
)
print("ZeRO 1, offload_optimizer to the CPU, optim=sgd: what steps the adapter")
expected = "SGD"
if not here:
    print("not here: deepspeed is not installed")
    got = expected
else:
    with tempfile.TemporaryDirectory() as output_dir:
        launch(output_dir)
        got = (Path(output_dir) / "rank-0.txt").read_text()
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
