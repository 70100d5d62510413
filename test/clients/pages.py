"""Programs of docs/languages.md and examples/: they run, say what they should, and use their indexes."""

import pathlib
import re
import shutil
import subprocess
import tempfile

PAGE = "docs/languages.md"
SUFFIX = {"python": "py", "js": "mjs", "go": "go", "java": "java"}
UNUSED = """SELECT c.relname FROM pg_class c JOIN pg_am a ON a.oid = c.relam LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = c.oid
WHERE c.relkind = 'i' AND a.amname IN ('hnsw', 'ivfflat', 'ivfpq', 'ivfrabitq', 'flat', 'sparse_inverted')
AND coalesce(s.idx_scan, 0) = 0 ORDER BY 1"""


def sections(top):
    """{heading: its text} of the page."""
    parts = re.split(r"^## (.+)$", (top / PAGE).read_text(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def numbers(text):
    """The whole numbers of each line: lists look different in each language."""
    return [re.findall(r"-?\d+(?:\.\d+)?", line) for line in text.splitlines() if line.strip()]


def command(client, dir, program):
    """The command that runs a program in a client's language, and where, if that matters."""
    if client.kind == "python":
        return [dir / "venv/bin/python", "-W", "ignore", program], None
    if client.kind == "js":
        # Packages are found from where the program lies.
        here = dir / program.name
        if program != here:
            shutil.copy(program, here)
        return ["node", here], None
    if client.kind == "go":
        return ["go", "run", program], dir
    return ["java", "-cp", f"{dir}/lib/*", program], dir


def said(command, cwd, env):
    """Status and output of a program, which runs in an empty folder if not in cwd."""
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run(list(map(str, command)), cwd=cwd or empty, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600)
    return done.returncode, done.stdout, done.stderr


def run(client, dir, report, top, fresh_database, psql):
    page = sections(top) if client.pages else {}
    for heading in client.pages:
        text = page[heading]
        fresh_database("page_test")
        # Some make tables of their own.
        table = "".join(blocks(page["The example"], "sql")) if "search_items" in text else "CREATE EXTENSION vector"
        (dir / "page.sql").write_text(table)
        psql("-d", "page_test", "-f", str(dir / "page.sql"), "-o", "/dev/null")
        program = dir / ("Main" if client.kind == "java" else "page")
        program = program.with_suffix("." + SUFFIX[client.kind])
        program.write_text("\n".join(blocks(text, client.kind)))
        check(client, dir, report, top, psql, program, f"{PAGE}: {heading}", "page_test",
              (blocks(text, "text") or blocks(page["The example"], "text"))[0])
    for name, title in client.examples.items():
        fresh_database("page_test")
        check(client, dir, report, top, psql, top / "examples" / name, f"examples/{name}", "page_test", title)


def check(client, dir, report, top, psql, program, title, database, wanted):
    """Run a program: it prints the numbers of `wanted` line by line, or the words of it that are a list."""
    env = {**report.env, "PGDATABASE": database, "DEMO_DATA": str(top / "demo/data")}
    rc, out, err = said(*command(client, dir, program), env)
    unused = psql("-d", database, "-c", UNUSED).split()
    if isinstance(wanted, str):
        right = numbers(out) == numbers(wanted)
    else:
        right = all(word in out for word in wanted)
    problem = ""
    if rc:
        problem = f"it ended with status {rc}:\n{out}\n{err}"
    elif not right:
        problem = f"it should have printed\n{wanted}\nand printed\n{out}"
    elif unused:
        problem = f"its queries do not use {', '.join(unused)}"
    report.count("", title, "failed" if problem else "passed", problem)
