"""Statements and commands of docs/vectorizer.md run, in order; then the recipes
for HTTP, as PostgREST asks."""

import json
import os
import pathlib
import re
import subprocess
import sys

import psycopg
import pytest

from vectorizer.models import load_model

pytestmark = pytest.mark.full
DOCS = pathlib.Path(__file__).parents[3] / "docs" / "vectorizer.md"

# What PostgREST sends for POST /rpc/NAME with a JSON body: arguments from the
# body by json_to_record, rows as one JSON array.
RPC = """WITH pgrst_source AS (
    SELECT pgrst_call.* FROM (SELECT %(body)s::json AS json_data) pgrst_payload,
    LATERAL (SELECT {names} FROM json_to_record(pgrst_payload.json_data) AS _({types}) LIMIT 1) pgrst_body,
    LATERAL "public"."{function}"({call}) pgrst_call)
SELECT coalesce(json_agg(_postgrest_t), '[]')::text FROM (SELECT * FROM pgrst_source) _postgrest_t"""


def rpc(conn, role, claims, function, types, body):
    names = [n for n in types if n in body]
    with conn.transaction():
        conn.execute("SELECT set_config('role', %s, true), set_config('request.jwt.claims', %s, true)",
                     [role, json.dumps(claims)])
        return json.loads(conn.execute(RPC.format(
            function=function, names=", ".join(f'"{n}"' for n in names),
            types=", ".join(f'"{n}" {types[n]}' for n in names),
            call=", ".join(f'"{n}" := pgrst_body."{n}"' for n in names)), {"body": json.dumps(body)}).fetchone()[0])


@pytest.mark.timeout(900)
def test_docs(db, server):
    server.execute("DROP ROLE IF EXISTS web")
    env = {**os.environ, "PGDATABASE": db.name, "PATH": os.path.dirname(sys.executable) + ":" + os.environ["PATH"],
           "HF_HUB_OFFLINE": "1"}
    blocks = re.findall(r"```(sql|sh|python)\n(.*?)```", DOCS.read_text(), re.S)
    assert [k for k, _ in blocks].count("sql") >= 4 and [k for k, _ in blocks].count("sh") >= 5
    printed = ""
    for kind, block in blocks:
        if block.startswith("pip "):
            continue
        command = {"sql": ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"], "sh": ["bash", "-e"],
                   "python": [sys.executable, "-"]}[kind]
        done = subprocess.run(command, input=block, env=env, text=True, capture_output=True, timeout=300)
        assert done.returncode == 0, block + done.stdout + done.stderr
        printed += done.stdout
    # what was asked about was found
    assert re.search(r"1\. score 0\.\d+: meaning .*\n   id: 1\n", printed)
    assert "title: Chains" in printed and "Feeding kittens" in printed and "Sourdough" in printed

    db("INSERT INTO articles (tenant, title, body) VALUES (2, 'Cats of another', 'Kittens and cats')")
    subprocess.run(["vectorizer", "run", "--drain"], env=env, check=True, capture_output=True)
    vector = load_model("all-MiniLM-L6-v2").embed_query("food for young cats").tolist()
    types = {"query_embedding": "public.vector", "match_count": "integer", "wanted_lang": "text"}
    body = {"query_embedding": vector, "match_count": 2, "wanted_lang": "en"}
    answer = rpc(db.conn, "web", {"role": "web", "tenant": 1}, "search_articles", types, body)
    assert [a["id"] for a in answer][0] == 1 and len(answer) == 2
    assert set(answer[0]) == {"id", "title", "body", "similarity"} and 0.3 < answer[0]["similarity"] < 1
    other = rpc(db.conn, "web", {"role": "web", "tenant": 2}, "search_articles", types, body)
    assert [a["title"] for a in other] == ["Cats of another"]
    assert rpc(db.conn, "web", {"role": "web"}, "search_articles", types, body) == []
    # as text, as PostgREST gives a vector out
    body["query_embedding"] = json.dumps(vector)
    assert rpc(db.conn, "web", {"role": "web", "tenant": 1}, "search_articles", types, body) == answer
    with pytest.raises(psycopg.Error):
        rpc(db.conn, "web", {"tenant": 1}, "search_articles", types, {**body, "query_embedding": [1, "x"]})

    db("INSERT INTO documents (content, metadata) VALUES ('Cats eat fish', '{\"lang\": \"en\"}'), ('Ships sail', '{}')")
    subprocess.run(["vectorizer", "run", "--drain"], env=env, check=True, capture_output=True)
    types = {"query_embedding": "public.vector", "match_count": "integer", "filter": "jsonb"}
    found = rpc(db.conn, "postgres", {}, "match_documents", types, {"query_embedding": vector, "match_count": 5})
    assert [f["content"] for f in found] == ["Cats eat fish", "Ships sail"]
    found = rpc(db.conn, "postgres", {}, "match_documents", types,
                {"query_embedding": vector, "match_count": 5, "filter": {"lang": "en"}})
    assert [f["content"] for f in found] == ["Cats eat fish"]
    db("DROP OWNED BY web; DROP ROLE web")
