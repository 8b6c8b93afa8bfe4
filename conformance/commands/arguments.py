"""The options that several commands have, each once."""

from pathlib import Path
from typing import Annotated

import typer

Chapters = Annotated[
    list[str] | None, typer.Option("--chapter", help="Only this chapter; repeatable.")
]
Clauses = Annotated[
    list[str] | None, typer.Option("--clause", help="Only this clause; repeatable.")
]
Profile = Annotated[str, typer.Option(help="How broad: smoke, quick or full.")]
Trainer = Annotated[str, typer.Option(help="The class to judge, as package.module:Class.")]
Workers = Annotated[int | None, typer.Option(help="How many processes judge.")]
Seed = Annotated[int, typer.Option(help="What generated scenarios start from.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the run broken off in the report folder.")
]
ForceBaseline = Annotated[
    bool,
    typer.Option(
        "--force-baseline", help="With --update-baseline: even a red run, or a narrower one."
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Say more than a line where all is well.")]
Cache = Annotated[
    Path | None, typer.Option(help="Where built stacks are kept; by default the user's cache.")
]
