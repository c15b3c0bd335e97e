"""The commands and their help. Each says what it is for; the work is in the modules it imports when it is called."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    help="Executable specifications of NVIDIA Dynamo's fault tolerance: real deployments, real faults, one report.\n\n"
    "The first call sets everything up below this folder; later ones need no network.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_PASS_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": ["--help"]}
Define = Annotated[
    list[str] | None,
    typer.Option("-D", metavar="KEY=VALUE", help="A setting, such as request_plane=nats; can be given several times."),
]


@app.command(context_settings=_PASS_ON)
def run(context: typer.Context) -> int:
    """Run specifications and build the report.

    ./specs run [-t TAGS] [-D KEY=VALUE] [FEATURES...] [ANYTHING BEHAVE TAKES]

    Without tags it runs all that this machine can do, without @slow and @wip scenarios; a tag expression such as
    "@migration and @sglang" selects among these, and one that names @slow or @wip gets those too. FEATURES are folders,
    files or FILE:LINE. Settings are target, backend, engine, request_plane, dynamo, etcd, fresh, timeout_scale and
    log_dir; with target=kubernetes also image, context, namespace, attach, frontend_url, described, graph, lose_node,
    return_node, lose_api and return_api: README has a table of what each means. With -j N scenarios run N at a time,
    each run in a lab of its own, and afterwards, one by one, those tagged @serial and those that the machine was too
    busy for. The exit status is 0 when every promise was kept, 1 when one was broken or could not be judged, and 2 when
    nothing could be run as asked.
    """
    from support.cli.specifications import run as run_specifications

    return run_specifications(context.args)


@app.command()
def test() -> int:
    """Check the project itself.

    Style, types, the features as text, its tests, and a real selection of the specifications. Every check runs even
    if an earlier one fails; the exit status is that of the first that failed.
    """
    from support.cli.checks import check

    return check()


@app.command()
def compare(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="Folder of a run, such as reports.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="Folder of another run.")],
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON, for programs.")] = False,
) -> None:
    """Show two runs side by side, as before and after an upgrade.

    Of every scenario under load that both have: success, latency, time to first token; what is a difference between
    the runs, and what is noise.
    """
    import dataclasses
    from json import dumps
    from pathlib import Path

    from support.results.compare import compare as compare_runs
    from support.results.compare import table

    compared = compare_runs(Path(before), Path(after))
    print(dumps([dataclasses.asdict(one) for one in compared], indent=1) if json else table(compared))


@app.command()
def up(define: Define = None) -> None:
    """Keep one deployment up to play with.

    Its frontend is at localhost:8000 until Ctrl-C; `./specs shell` goes inside.
    """
    from support.cli.specifications import settings_of
    from support.local import playground

    playground.up(settings_of(define or []))


@app.command()
def shell() -> None:
    """Open a shell inside the deployment.

    The one that `./specs up` keeps; its addresses and ports are those of the inside.
    """
    from support.local import playground

    playground.shell()


@app.command()
def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON, for programs.")] = False,
) -> int:
    """Say what this machine can do.

    For each missing thing: what it makes unavailable, and how to get it.
    The exit status is 0 unless the default selection cannot run here.
    """
    from support import doctor as examination

    return examination.report(as_json=json)


@app.command()
def setup(
    dynamo: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Also install this version of Dynamo, beside the default one.")
    ] = None,
) -> None:
    """Install what is missing.

    Does nothing when nothing is; every other command does it by itself. Several versions of Dynamo stand side by
    side; `./specs run -D dynamo=VERSION` chooses one.
    """
    from support.setup import steps

    asked = [] if dynamo is None else [steps.dynamo(dynamo)]
    steps.prepare([*steps.default_steps(), *asked])
    print("everything is set up")


@app.command()
def cleanup() -> None:
    """Delete what killed runs have left.

    On this machine that is their folders for temporary files; the kernel has ended everything else. On the cluster of
    KUBECONFIG, where that is set: their namespaces, which go by themselves, too, a minute after the run; and nodes that
    they have closed are opened. Every run does it too.
    """
    import os

    from support.local import scratch

    removed = [f"removed {folder}" for folder in scratch.sweep()]
    if "KUBECONFIG" in os.environ:
        from support.kubernetes_target import cluster, run

        removed += run.sweep(cluster.Cluster())
    print("\n".join(removed) or "nothing was left over")
