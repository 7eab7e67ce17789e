"""The command and the names of its subcommands, each of which is imported when it is called."""

import importlib

import click

from amiss.core.errors import suggest

__all__ = ["amiss"]

COMMANDS = {
    "compare": ("amiss.cli.comparing:compare", "Train one network with several losses, and compare."),
    "data": ("amiss.cli.data:data", "List data sets, and fetch those that are downloads."),
    "identify": ("amiss.cli.identifying:identify", "Name the loss that is hidden in a gradient."),
    "list": ("amiss.cli.listing:list_losses", "List every loss, with the names it has elsewhere."),
    "parity": (
        "amiss.cli.parity:parity",
        "Run one step of a network in several frameworks; say what differs.",
    ),
    "plot": ("amiss.cli.plotting:plot", "Draw losses and gradients into a file."),
    "properties": ("amiss.cli.properties:properties", "Check the properties of a loss, with witnesses."),
    "show": ("amiss.cli.show:show", "Show a loss: formulas, what to expect, properties, names elsewhere."),
    "trace": ("amiss.cli.tracing:trace", "Show one step of backpropagation, with numbers and checks."),
}

EXAMPLES = """\
amiss compare                      four losses on handwritten digits
amiss compare ce mse --data iris   two losses on other data
amiss compare --data mine.csv      on a table of your own
amiss list                         every loss
amiss show huber                   one loss: formulas, properties, names elsewhere
amiss identify "(a-y)*a*(1-a)"     the loss that is hidden in a gradient
amiss trace                        one step of backpropagation, with numbers
amiss plot mse mae huber           losses and their gradients, as a picture
amiss --help                       all commands"""


class Group(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of a name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest one whose name is near."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"No command is called {args[0]!r}.{suggest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in COMMANDS.items()])


def _print_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from amiss.cli.version import version_text

        click.echo(version_text())
        ctx.exit()


@click.group(cls=Group, invoke_without_command=True)
@click.option("--debug", is_flag=True, help="Show a traceback after an error.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show version, kernels and array libraries.",
)
@click.pass_context
def amiss(ctx: click.Context, debug: bool) -> None:  # noqa: ARG001 - `main` looks at --debug itself
    """How wrong is your model, and what does being wrong do to it?"""
    if ctx.invoked_subcommand is None:
        click.echo(EXAMPLES)
