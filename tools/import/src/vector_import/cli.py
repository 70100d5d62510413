"""The command vector-import."""

import sys

import click
import psycopg
from tqdm import tqdm

from . import __version__
from .errors import ImportFailed
from .run import Plan, run
from .sources import SOURCES

WHAT = "\b\nSOURCE and LOCATION:\n" + "\n".join(f"  {name:10} {what}" for name, (what, _) in SOURCES.items())


def bar(total):
    return tqdm(total=total, unit=" rows", file=sys.stderr, disable=None)


@click.command(epilog=WHAT)
@click.version_option(__version__, package_name="vector-import")
@click.argument("source", type=click.Choice(list(SOURCES)))
@click.argument("location")
@click.option("--dsn", "-d", default="", help="Connection string; by default what PGHOST and the like say.")
@click.option("--table", "-t", required=True, help="The table to make, named as in SQL.")
@click.option("--collection", "-c", help="Collection, class, namespace, table or data set; the only one unless given.")
@click.option("--vector", help="Which vectors, where a record has several: named vectors, fields, columns.")
@click.option("--columns", default="", help="Metadata that gets columns: auto, or key[:type],... [the rest is in a jsonb column]")
@click.option("--filter", "filters", default="", help="Metadata that searches filter by, key[:type],...: columns, and in the index.")
@click.option("--type", "type_", type=click.Choice(["vector", "halfvec", "sparsevec"]), help="[default: vector; sparsevec for sparse vectors]")
@click.option("--id-type", type=click.Choice(["bigint", "text", "uuid"]), help="[default: what the ids are]")
@click.option("--dimensions", type=click.IntRange(1, 1000000000), help="[default: what the source says]")
@click.option("--index", default="hnsw", show_default=True, type=click.Choice(["hnsw", "ivfrabitq", "ivfpq", "ivfflat", "flat", "sparse_inverted"]))
@click.option("--distance", type=click.Choice(["l2", "cosine", "ip", "l1"]), help="Of the index. [default: what the source says, else l2]")
@click.option("--create-index", is_flag=True, help="Make the index that is proposed at the end.")
@click.option("--batch", type=click.IntRange(1, 100000), help="Records of a transaction. [default: 2000, fewer of long vectors]")
@click.option("--dry-run", is_flag=True, help="Print the SQL, write nothing.")
def main(source, location, dsn, table, collection, vector, columns, filters, type_, id_type, dimensions, index, distance,
         create_index, batch, dry_run):
    """Import vectors and their metadata from SOURCE at LOCATION into a new table.

    Interrupted, the same command goes on where it stopped.  Keys of servers are
    read from the environment: QDRANT_API_KEY, MILVUS_TOKEN, WEAVIATE_API_KEY,
    PINECONE_API_KEY.
    """
    plan = Plan(source, location, table, collection, vector, columns, filters, type_, id_type, dimensions, index,
                create_index, batch, dry_run, distance)
    try:
        with psycopg.connect(dsn, autocommit=True, fallback_application_name="vector-import") as conn:
            conn.execute("SET client_encoding = 'UTF8'")
            rows = run(conn, plan, click.echo, bar)
    except ImportFailed as e:
        raise click.ClickException(str(e)) from e
    except psycopg.Error as e:
        raise click.ClickException(f"{e.diag.message_primary or e}"
                                   + (f"\nHint: {e.diag.message_hint}" if e.diag.message_hint else "")) from e
    if not dry_run:
        click.echo(f"{rows} rows", err=True)


if __name__ == "__main__":
    sys.exit(main())
