"""In several processes eval_loss mixes examples that only fill up the last batch into it.

Documented: Trainer.evaluate returns "a dictionary containing the evaluation loss"
(https://huggingface.co/docs/transformers/main_classes/trainer#transformers.Trainer.evaluate); what
Accelerate adds so that every process has a whole batch, gather_for_metrics "drops the duplicates"
(https://huggingface.co/docs/accelerate/package_reference/accelerator).

Instead: with five examples in batches of two, the last example's loss is the mean over it and the
first example, which fills its batch up.

Why: transformers/trainer.py, evaluation_loop gathers loss.repeat(batch_size), the mean of the
filled-up batch, and drops rows of that afterwards: the duplicate's loss is in the rows that stay.

Runs two processes over gloo on a CPU, which has nothing to do with what is shown.
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
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
LLAMA = LlamaConfig(
    vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
)


def evaluate(folder: str) -> float:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LLAMA)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    arguments = TrainingArguments(
        folder, per_device_eval_batch_size=2, use_cpu=True, report_to=[], disable_tqdm=True
    )
    torch.manual_seed(1)
    rows = torch.randint(3, 64, (5, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    built = Trainer(peft.get_peft_model(model, config), arguments, eval_dataset=data)
    return built.evaluate()["eval_loss"]


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
    loss = evaluate(sys.argv[1])
    Path(sys.argv[1], f"rank-{os.environ['RANK']}").write_text(repr(loss))
    sys.exit()
print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, "
    f"accelerate {accelerate.__version__}, torch {torch.__version__}"
)
print("five examples in batches of two, eval_loss of two processes and of one")
with tempfile.TemporaryDirectory() as output_dir:
    launch(output_dir)
    several = float(Path(output_dir, "rank-0").read_text())
    single = evaluate(output_dir)
print(f"got:      {several:.6f}\nexpected: {single:.6f}")
sys.exit(abs(several - single) > 1e-5)
