"""A server that speaks what the importers use of Weaviate's and of Pinecone's
API, as their documentation records it: GET /v1/schema, GET /v1/objects with a
cursor; POST /describe_index_stats, GET /vectors/list, GET /vectors/fetch."""

import http.server
import json
import threading
import urllib.parse
import uuid

import numpy as np


class Stub:
    def __init__(self, count):
        rng = np.random.default_rng(3)
        self.vectors = rng.random((count, 8), dtype=np.float32)
        self.ids = [str(u) for u in sorted(uuid.UUID(bytes=rng.bytes(16)) for _ in range(count))]
        self.without = set()    # numbers of objects without a vector
        self.fail = []          # status codes of the next answers; 200 to answer
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *a):
                pass

            def do_GET(self):
                stub.answer(self)

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                stub.answer(self)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def properties(self, n):
        return {"n": n, "lang": "de" if n % 2 else "en"}

    def answer(self, request):
        url = urllib.parse.urlsplit(request.path)
        q = urllib.parse.parse_qs(url.query)
        key = request.headers.get("Api-Key") or request.headers.get("Authorization", "").removeprefix("Bearer ")
        status = self.fail.pop(0) if self.fail else 200
        body = {}
        if key != "secret-key":
            status = 401
        elif status == 200:
            body = {"/v1/schema": self.schema, "/v1/objects": self.objects, "/describe_index_stats": self.stats,
                    "/vectors/list": self.list, "/vectors/fetch": self.fetch}[url.path](q)
        data = json.dumps(body).encode()
        request.send_response(status)
        if status == 429:
            request.send_header("Retry-After", "0")
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def schema(self, q):
        flat = {"vectorIndexType": "hnsw", "vectorIndexConfig": {"distance": "cosine"}}
        return {"classes": [{"class": "Doc", **flat}, {"class": "Tenants", **flat, "multiTenancyConfig": {"enabled": True}}]}

    def objects(self, q):
        assert q["include"] == ["vector"] and ("tenant" in q) == (q["class"] == ["Tenants"])
        at = self.ids.index(q["after"][0]) + 1 if "after" in q else 0
        end = min(at + int(q["limit"][0]), len(self.ids))
        return {"objects": [{"class": q["class"][0], "id": self.ids[n], "creationTimeUnix": 1, "properties": self.properties(n),
                             **({} if n in self.without else {"vector": self.vectors[n].tolist()})} for n in range(at, end)],
                "totalResults": end - at}

    def stats(self, q):
        return {"namespaces": {"ns1": {"vectorCount": len(self.ids)}, "ns2": {"vectorCount": 1}}, "dimension": 8,
                "indexFullness": 0, "totalVectorCount": len(self.ids) + 1, "metric": "dotproduct", "vectorType": "dense"}

    def list(self, q):
        assert q["namespace"] == ["ns1"]
        at = int(q.get("paginationToken", ["0"])[0])
        end = min(at + int(q["limit"][0]), len(self.ids))
        out = {"vectors": [{"id": i} for i in self.ids[at:end]], "namespace": "ns1", "usage": {"readUnits": 1}}
        return {**out, "pagination": {"next": str(end)}} if end < len(self.ids) else out

    def fetch(self, q):
        return {"vectors": {i: {"id": i, "values": self.vectors[n].tolist(), "metadata": self.properties(n)}
                            for i in q["ids"] for n in [self.ids.index(i)]}, "namespace": "ns1"}
