"""Results of test programs of several kinds, against a list of known failures; the table of them."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass


@dataclass
class Row:
    title: str
    version: str
    passed: int = 0
    failed: int = 0
    known: int = 0
    skipped: int = 0
    note: str = ""


def read_known(path):
    """{(client, test): reason} of a table with a head, tabs between its columns."""
    rows = [line.split("\t") for line in path.read_text().splitlines()[1:]]
    return {(client, test): reason for client, test, reason in rows}


def versions(client, dir, pinned):
    """{package in lower case: version} of what is installed, the client's own first."""
    if client.kind == "python":
        out = subprocess.run([dir / "venv/bin/python", "-m", "pip", "list", "--format=json",
                              "--disable-pip-version-check"], capture_output=True, check=True).stdout
        return {p["name"].lower(): p["version"] for p in json.loads(out)}
    text = pinned.read_text()
    if client.kind == "js":
        return json.loads(text)["dependencies"]
    if client.kind == "go":
        return dict(re.findall(r"^\s*(?:require )?(\S+) v(\S+)$", text, re.M))
    return dict(re.findall(r"<groupId>([^<]+)</groupId>\s*<artifactId>[^<]+</artifactId>\s*<version>([^<]+)</version>", text))


class Report:
    """The tests of one client: each belongs to a part of it, which has a row of the table."""

    def __init__(self, client, env, versions, known):
        self.client = client
        self.env = env
        self.versions = versions
        self.known = {test: reason for (name, test), reason in known.items() if name == client.name}
        self.parts = {}
        self.failed = False
        self.shown = 0

    def part(self, title):
        version = self.versions.get(self.client.title.lower(), self.versions.get(self.client.title, ""))
        if title and title != self.client.title:
            own = self.versions.get(title.lower(), self.versions.get(title, ""))
            row = Row(f"{self.client.title} with {title}", f"{version}, {own}" if own else version)
        else:
            row = Row(self.client.title, version)
        return self.parts.setdefault(title, row)

    def count(self, title, test, outcome, detail=""):
        """Count a test that passed, failed or was skipped."""
        row = self.part(title)
        if outcome == "skipped":
            row.skipped += 1
        elif (outcome == "failed") == (test in self.known):
            if outcome == "failed":
                row.known += 1
            else:
                row.passed += 1
        else:
            row.failed += 1
            self.failed = True
            what = "failed" if outcome == "failed" else "passed, but is listed as a known failure"
            # The first failures tell most.
            self.shown += 1
            lines = detail.rstrip().splitlines()[-25:] if self.shown <= 5 else []
            print("\n    ".join([f"FAILED: {self.client.name}: {test} {what}", *lines]), flush=True)

    def program(self, title, command, cwd, read):
        """Run a test program; read counts its results and returns how many there were."""
        with tempfile.TemporaryDirectory() as temporary:
            results = pathlib.Path(temporary) / "results"
            with open(pathlib.Path(temporary) / "out", "w+b") as out:
                try:
                    rc = subprocess.run([str(c).replace("RESULTS", str(results)) for c in command], cwd=cwd,
                                        env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                        timeout=900).returncode
                except subprocess.TimeoutExpired:
                    rc = 124
                out.seek(0)
                text = out.read().decode(errors="replace")
            before = sum(r.failed + r.known for r in self.parts.values())
            counted = read(results, text)
            after = sum(r.failed + r.known for r in self.parts.values())
            if not counted or (rc and before == after):
                self.count(title, f"the program ended with status {rc}", "failed", text)

    def pytest(self, command, cwd):
        def read(path, text):
            if not path.exists():
                return 0
            cases = list(ElementTree.parse(path).iter("testcase"))
            for case in cases:
                module, *rest = re.sub(r"^tests\.", "", case.get("classname")).split(".")
                test = "::".join([module, *rest, case.get("name")])
                bad = [e for e in case if e.tag in ("failure", "error")]
                outcome = "failed" if bad else "skipped" if case.find("skipped") is not None else "passed"
                self.count(self.client.rows.get(module, ""), test, outcome, (bad[0].text or "") if bad else "")
            return len(cases)
        self.program("", [*command, "-q", "-p", "no:cacheprovider", "--color=no", "--junitxml=RESULTS"], cwd, read)

    def tap(self, command, cwd, title=""):
        def read(path, text):
            cases = re.findall(r"^(not )?ok \d+ - ([^#\n]*?) *(# SKIP.*)?$", text, re.M)
            for bad, test, skip in cases:
                outcome = "skipped" if skip else "failed" if bad else "passed"
                self.count(title, test, outcome, text)
            return len(cases)
        self.program(title, command, cwd, read)

    def go(self, command, cwd):
        def read(path, text):
            cases = re.findall(r"^--- (PASS|FAIL|SKIP): (\S+)", text, re.M)
            for how, test in cases:
                self.count("", test, {"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"}[how], text)
            return len(cases)
        self.program("", command, cwd, read)

    def rows(self):
        return list(self.parts.values())


def show(table):
    width = max(len(r.title) for r in table)
    wide = max(len(r.version) for r in table)
    print(f"\n{'client':{width}}  {'version':{wide}}  passed  failed  known  skipped")
    for r in table:
        print(f"{r.title:{width}}  {r.version:{wide}}  {r.passed:6}  {r.failed:6}  {r.known:5}  {r.skipped:7}  {r.note}".rstrip())
    known = sum(r.known for r in table)
    if known:
        print(f"known: failures that test/clients/known.tsv lists, with the reason")
    print(f"{sum(r.passed for r in table)} passed, {sum(r.failed for r in table)} failed,"
          f" {sum(r.skipped for r in table)} skipped")
    sys.stdout.flush()
