"""A server that speaks the embedding and re-ranking formats, and fails when told.

plan is a list of what the next requests get: a status, or (status, headers,
body), or "hang", or "close"; when it is empty, the right answer.  Texts that
contain "poison" are refused with 400 whenever they are in a batch.
"""

import http.server
import json
import threading
import time

from vectorizer.models.hashing import HashingModel, SharedWords


class Stub:
    def __init__(self, dimensions=64):
        self.model = HashingModel(str(dimensions))
        self.plan = []
        self.always = None
        self.seen = []
        self.answers = 0
        self.delay = 0
        self.change = lambda vectors: vectors
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                stub.seen.append((self.path, dict(self.headers), body))
                todo = stub.plan.pop(0) if stub.plan else stub.always
                if todo == "hang":
                    time.sleep(3)
                    todo = "close"
                if todo == "close":
                    self.close_connection = True
                    return
                time.sleep(stub.delay)
                status, headers, answer = 200, {}, None
                if todo is not None:
                    status, headers, answer = todo if isinstance(todo, tuple) else (todo, {}, {"error": {"message": "told to"}})
                texts = body.get("input") or body.get("texts") or []
                if answer is None and any("poison" in t for t in texts):
                    status, answer = 400, {"error": {"message": "input is too long"}}
                if answer is None:
                    answer = stub.answer(self.path, body)
                    stub.answers += 1
                raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for k, v in {"Content-Type": "application/json", "Content-Length": str(len(raw)), **headers}.items():
                    self.send_header(k, v)
                self.end_headers()
                self.wfile.write(raw)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path, body):
        if path.endswith("/rerank"):
            texts = body.get("documents") or body["texts"]
            scores = SharedWords("").score(body["query"], texts)
            if "texts" in body:
                return [{"index": i, "score": s} for i, s in enumerate(scores)]
            found = [{"index": i, "relevance_score": s} for i, s in enumerate(scores)][::-1]
            return {"results": found, "data": found}
        if path == "/v2/embed":
            return {"embeddings": {"float": self.change([v.tolist() for v in self.model.embed(body["texts"])])}}
        assert path.endswith("/embeddings"), path
        vectors = self.change([v.tolist() for v in self.model.embed(body["input"])])
        # in any order
        return {"object": "list", "data": [{"object": "embedding", "index": i, "embedding": v}
                                           for i, v in enumerate(vectors)][::-1]}

    def close(self):
        self.server.shutdown()
        self.server.server_close()
