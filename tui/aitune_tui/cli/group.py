"""The group of all subcommands: finds them late, and turns every ending into an exit status."""

from __future__ import annotations

import gc
import importlib
import sys
import traceback
from typing import TYPE_CHECKING, NoReturn

import click

from aitune_tui.cli import common, output

if TYPE_CHECKING:
    from collections.abc import Sequence

# Every subcommand, in the order of the manual: its name, and what `--help` says of it. The module
# of the same name is imported when the command is called, not before.
COMMANDS: dict[str, str] = {
    "status": "Every setting: its value now, the advised one, and who sets it.",
    "explain": "What one setting means, its risk and its evidence.",
    "owners": "Who sets each setting: at boot, and while the machine runs.",
    "plan": "Show what changes would do. Writes nothing.",
    "apply": "Change settings: keep them, or try them for a while.",
    "keep": "Keep the trial that is open.",
    "revert": "Put back the trial that is open.",
    "undo": "Put back what was kept.",
    "unpersist": "Take settings out of the files that set them at boot.",
    "act": "Have the kernel compact its memory or drop its page cache.",
    "journal": "What was changed, when and by whom.",
    "verify": "Compare the machine with a profile.",
    "profiles": "List and show profiles, and read or write them as other tools do.",
    "doctor": "What works on this machine, what does not, and why.",
    "loadtest": "Time the load of a model.",
    "exercise": "Apply a profile between two load tests, and undo it all.",
    "helper": "Install, inspect or remove the part that runs as root.",
}


class MainGroup(click.Group):
    """A group that loads its commands late and shares the machine's options with all of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, without importing anything."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a subcommand and give it the shared options.

        They are thus taken on either side of the name: `aitune-tui --root X status` and
        `aitune-tui status --root X` are the same.
        """
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"aitune_tui.cli.{cmd_name}")
        command: click.Command = module.command
        common.add_shared_options(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a reader that has left our pipe ends it as SIGPIPE would."""
        try:
            result: object = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # Caught here, as click would make a 1 of it: "not as wanted", which it is not.
            output.discard_stdout()
            ctx.exit(common.READER_LEFT)
        return result

    # click's own signature has a mode that returns; ours always leaves, like a program does.
    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        **_: object,
    ) -> NoReturn:
        """Run, and leave with one of the documented exit statuses and at most one sentence.

        Args:
            args: The arguments, without the program's name; `sys.argv` by default.
            prog_name: What the program is called in its own help.
            _: The rest of click's signature, for its test runner.
        """
        arguments = list(sys.argv[1:] if args is None else args)
        common.prepare_streams()
        sys.exit(self._run(arguments, prog_name or common.PROGRAM))

    def _run(self, arguments: list[str], prog_name: str) -> int:
        as_json = "--json" in arguments
        try:
            status = super().main(arguments, prog_name, standalone_mode=False)
        except (KeyboardInterrupt, click.Abort):
            # click turns Ctrl-C into Abort.
            return common.report(common.interrupted(), as_json=as_json)
        except click.ClickException as failure:
            return common.report(failure, as_json=as_json)
        except Exception as fault:  # noqa: BLE001 - the last line of defence: a sentence, not a trace
            trace = "".join(traceback.format_exception(fault))
            if "--debug" in arguments:
                output.error(trace)
            log = common.write_log(trace)
            return common.report(common.fault(fault, log), as_json=as_json)
        return status if isinstance(status, int) else common.DONE


@click.group(
    cls=MainGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=common.show_version,
    help="Show the versions of the program and of its helper.",
)
@click.pass_context
def main(ctx: click.Context) -> None:
    """See, change, measure and take back the kernel settings of an AI server.

    Without a command: the dashboard.
    """
    if ctx.invoked_subcommand is not None:
        return
    common.require_terminal()
    # Imported here, so that no subcommand pays for the libraries of the dashboard. They stay, so
    # looking for garbage among them, a fifth of the start, waits until the first picture is there.
    gc.disable()
    dashboard = importlib.import_module("aitune_tui.app")
    ctx.exit(dashboard.run_dashboard(ctx.obj) or common.DONE)


common.add_shared_options(main)
