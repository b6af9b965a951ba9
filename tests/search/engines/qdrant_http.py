"""Qdrant's local mode behind the paths of its server, to send real requests through the client.

It parses each request with the models of the official package and refuses fields they do not have.
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from qdrant_client import QdrantClient, models

COLLECTION = re.compile(r"/collections/([^/?]+)(/[^?]*)?")


def answers(local: QdrantClient, name: str, body: bytes) -> dict:
    """Return what each request does."""

    def parsed(form):
        return form.model_validate_json(body)

    def create():
        form = parsed(models.CreateCollection)
        return local.create_collection(name, vectors_config=form.vectors, metadata=form.metadata)

    def points():
        form = parsed(models.PointsList)
        return local.upsert(name, form.points)

    def retrieve():
        form = parsed(models.PointRequest)
        return local.retrieve(name, form.ids, with_payload=form.with_payload)

    def scroll():
        form = parsed(models.ScrollRequest)
        found, after = local.scroll(
            name,
            scroll_filter=form.filter,
            limit=form.limit,
            offset=form.offset,
            with_payload=form.with_payload,
        )
        return {"points": found, "next_page_offset": after}

    def index():
        form = parsed(models.CreateFieldIndex)
        assert form.field_schema.is_tenant
        return local.create_payload_index(name, form.field_name, form.field_schema)

    def facet():
        form = parsed(models.FacetRequest)
        return local.facet(name, form.key, limit=form.limit)

    return {
        "GET /exists": lambda: {"exists": local.collection_exists(name)},
        "GET ": lambda: local.get_collection(name),
        "PUT ": create,
        "PATCH ": lambda: local.update_collection(
            name, metadata=parsed(models.UpdateCollection).metadata
        ),
        "PUT /index": index,
        "PUT /points": points,
        "POST /points": retrieve,
        "POST /points/scroll": scroll,
        "POST /points/count": lambda: local.count(name),
        "POST /points/delete": lambda: local.delete(name, parsed(models.PointIdsList).points),
        "POST /points/query/batch": lambda: local.query_batch_points(
            name, parsed(models.QueryRequestBatch).searches
        ),
        "POST /facet": facet,
    }


def plain(result):
    """Return a result as JSON has it."""
    if isinstance(result, list):
        return [plain(one) for one in result]
    if isinstance(result, dict):
        return {name: plain(value) for name, value in result.items()}
    return result.model_dump(mode="json") if hasattr(result, "model_dump") else result


@contextmanager
def serving():
    """Yield the port of a server, and the requests that it got."""
    local, lock, requests = QdrantClient(":memory:"), threading.Lock(), []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_request(self):
            path = COLLECTION.match(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            request = f"{self.command} {path[2] or ''}"
            with lock:  # local mode is not made for several threads
                requests.append(request)
                result = plain(answers(local, path[1], body)[request]())
            sent = json.dumps({"result": result, "status": "ok", "time": 0.0}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_PUT = do_POST = do_PATCH = handle_request

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.server_port, requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
