"""Under DeepSpeed's stage 0 in float32 no grad_norm is logged, though gradients are clipped.

Documented: max_grad_norm, "maximum gradient norm (for gradient clipping)"
(https://huggingface.co/docs/transformers/main_classes/trainer#transformers.TrainingArguments),
whose norm the Trainer logs as grad_norm.

Instead: the log has none.

Why: deepspeed/runtime/engine.py, _take_model_step clips by clip_fp32_gradients, which drops the
norm that it has taken: get_global_grad_norm, which the Trainer asks, is None.

Runs two processes over gloo on a CPU, which has nothing to do with what is shown. DeepSpeed
compiles a small extension at its first start.
"""

import importlib.metadata
import importlib.util
import json
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
    "zero_optimization": {"stage": 0},
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
        save_strategy="steps",
        save_steps=1,
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


if len(sys.argv) > 1:
    trainer(sys.argv[1], deepspeed=DEEPSPEED).train()
    sys.exit()
here = importlib.util.find_spec("deepspeed") is not None
print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}, "
    f"deepspeed {importlib.metadata.version('deepspeed') if here else 'none'}"
)
print("ZeRO 0, two processes, 2 steps clipped at 1.0; keys in the log that end in norm")
expected = "grad_norm"
if not here:
    print("not here: deepspeed is not installed")
    got = expected
else:
    with tempfile.TemporaryDirectory() as output_dir:
        launch(output_dir)
        state = json.loads(Path(output_dir, "checkpoint-2/trainer_state.json").read_text())
        keys = {key for entry in state["log_history"] for key in entry if key.endswith("norm")}
        got = ", ".join(sorted(keys)) or "none"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
