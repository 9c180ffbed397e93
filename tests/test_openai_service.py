"""Vectors through OpenAI's own client, answered by a server of this test: nothing leaves the machine."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from models.text_vectors import Embedded, openai_vectors, prompt_of

openai = pytest.importorskip("openai", reason="the extra [openai] is not installed")
VECTOR = np.linspace(-1, 1, 1536, dtype=np.float32)


class Service(BaseHTTPRequestHandler):
    """Embeddings as the service sends them: base64 of float32 where the client asks for it."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["Authorization"], asked))
        if self.headers["Authorization"] != "Bearer right":
            return self._answer(401, {"error": {"message": "Incorrect API key provided"}})
        as_text = base64.b64encode(VECTOR.tobytes()).decode()
        vector = as_text if asked.get("encoding_format") == "base64" else VECTOR.tolist()
        data = [{"object": "embedding", "index": 0, "embedding": vector}]
        usage = {"prompt_tokens": 5, "total_tokens": 5}
        return self._answer(200, {"object": "list", "data": data, "model": asked["model"], "usage": usage})

    def _answer(self, status, body):
        sent = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_):
        pass


@pytest.fixture
def service(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "right")
    for proxy in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    yield server
    server.shutdown()
    server.server_close()


def test_the_client_asks_the_service_and_reads_its_answer(service):
    vectors = Embedded(openai_vectors())
    assert np.allclose(vectors("sinus rhythm"), VECTOR)
    path, key, asked = service.asked[0]
    assert (path, key) == ("/v1/embeddings", "Bearer right")
    assert (asked["model"], asked["input"]) == ("text-embedding-ada-002", [prompt_of("sinus rhythm")])


def test_a_refused_key_says_what_to_do(service, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "wrong")
    with pytest.raises(ConnectionError, match=r"Incorrect API key.*: look at OPENAI_API_KEY"):
        openai_vectors()("sinus rhythm")
