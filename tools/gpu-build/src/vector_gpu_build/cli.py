"""The command vector-gpu-build."""

import sys

import click
import psycopg
from tqdm import tqdm

from . import __version__
from .errors import BuildFailed
from .run import METHODS, Plan, run


def bar(name, total):
    return tqdm(total=total, desc=name, unit=" rows", file=sys.stderr, disable=None)


@click.command()
@click.version_option(__version__)
@click.option("--dsn", "-d", default="", help="Connection string; by default what PGHOST and the like say.")
@click.option("--table", "-t", required=True, help="The table, named as in SQL.")
@click.option("--column", "-c", required=True, help="Its column of type vector or halfvec.")
@click.option("--method", "-m", default="hnsw", show_default=True, type=click.Choice(METHODS))
@click.option("--distance", default="l2", show_default=True, type=click.Choice(["l2", "cosine", "ip"]))
@click.option("--key", help="Columns that tell rows apart, with commas. [default: the primary key]")
@click.option("--name", help="Of the index.")
@click.option("--filter", "filters", default="", help="Filter columns of the index, with commas.")
@click.option("--with", "options", default="", help="Storage parameters of the index: 'm = 16, ef_construction = 64'.")
@click.option("--lists", type=click.IntRange(0, 32768), default=0, help="[default: four times the root of the number of rows]")
@click.option("--neighbors", type=click.IntRange(4, 128), default=32, show_default=True, help="Of a row, for hnsw.")
@click.option("--exact-rows", type=int, default=3000000, show_default=True, help="Beyond these, neighbours are looked for in lists near by.")
@click.option("--device", default="auto", show_default=True, help="cuda, cuda:1, cpu (PyTorch), numpy; auto: cuda where there is one, else numpy.")
@click.option("--device-memory", type=float, default=0, help="GiB that may be used there. [default: .7 of what is free; 1 of the host's]")
@click.option("--work-dir", help="Where results wait for the next phase. [default: vector-gpu-build-TABLE-COLUMN]")
@click.option("--keep", is_flag=True, help="Keep the work folder.")
@click.option("--concurrently/--no-concurrently", default=True, show_default=True)
@click.option("--maintenance-work-mem", help="For CREATE INDEX.")
@click.option("--workers", type=click.IntRange(0, 1024), help="For CREATE INDEX: max_parallel_maintenance_workers.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--dry-run", is_flag=True, help="Print an estimate and the SQL; read and write nothing.")
def main(dsn, device_memory, **arguments):
    """Compute neighbours (hnsw) or centroids and lists (the others) of a column,
    and build an index from them.

    Interrupted, the same command goes on with what has been computed.
    """
    plan = Plan(device_memory=int(device_memory * 2**30), **arguments)
    try:
        with psycopg.connect(dsn, autocommit=True, fallback_application_name="vector-gpu-build") as conn:
            run(conn, plan, click.echo, bar)
    except BuildFailed as e:
        raise click.ClickException(str(e)) from e
    except psycopg.Error as e:
        raise click.ClickException(f"{e.diag.message_primary or e}"
                                   + (f"\nHint: {e.diag.message_hint}" if e.diag.message_hint else "")) from e


if __name__ == "__main__":
    sys.exit(main())
