"""A model provider on loopback that answers from a script, and keeps an account of every call it served.

    python3 scripted.py SCRIPT_JSON

It prints its URL and serves until stdin is closed. Programs in Python start one in a thread with `serving(script)`. It speaks
OpenAI's chat completions, responses, and embeddings, Anthropic's messages, and Gemini's generateContent, each also as a stream.

A script is a list of answers, one for each call of a model, in order: a text, or `{"tool": NAME, "arguments": {...}}` for a call of
a tool, or `{"tools": [...]}` for several. A model with `no-such` in its name is refused with 404 and takes no answer.
Embeddings take none either. `GET /account` returns the calls: what was asked for and what the caller received.
"""

import base64
import contextlib
import http.server
import json
import re
import struct
import sys
import threading

MAX_BODY_BYTES = 1 << 20
VECTOR = [0.25, -0.5, 0.125, 1.0]


def answer_of(entry, number):
    """An entry of a script as text and tool calls with ids."""
    if isinstance(entry, str):
        return {"text": entry, "tool_calls": []}
    tools = entry.get("tools") or [entry]
    calls = [{"id": f"call_{number:04}{at}", "name": it["tool"], "arguments": it["arguments"]} for at, it in enumerate(tools)]
    return {"text": entry.get("text", ""), "tool_calls": calls}


class Provider:
    """The script, how far it is, and the account."""

    def __init__(self, script):
        self.script, self.calls, self.lock = list(script), [], threading.Lock()

    def next(self, api, model, stream):
        """The account of a new call: what it is answered with."""
        with self.lock:
            number = len(self.calls) + 1
            call = {"exchange": str(number), "kind": "chat", "api": api, "requested": model, "stream": stream}
            if "no-such" in model:
                call["error"] = 404
            elif api == "embeddings":
                call |= {"kind": api, "model": model, "usage": {"input_tokens": 3 + number}}
            else:
                call |= {"model": f"{model}-001", "response_id": f"{PREFIX[api]}{number:04}"}
                call |= answer_of(self.script.pop(0) if self.script else "(not in the script)", number)
                call["usage"] = {"input_tokens": 20 + number, "output_tokens": 5 + number}
            self.calls.append(call)
            return call


PREFIX = {"chat": "chatcmpl-", "responses": "resp_", "messages": "msg_", "gemini": "gemini-"}


def total(call):
    return sum(call["usage"].values())


def chat(call, body):
    """OpenAI's chat completion, whole or in chunks."""
    calls = [
        {"index": at, "id": it["id"], "type": "function", "function": {"name": it["name"], "arguments": json.dumps(it["arguments"])}}
        for at, it in enumerate(call["tool_calls"])
    ]
    reason = "tool_calls" if calls else "stop"
    usage = {
        "prompt_tokens": call["usage"]["input_tokens"],
        "completion_tokens": call["usage"]["output_tokens"],
        "total_tokens": total(call),
    }
    head = {"id": call["response_id"], "created": 1795300000, "model": call["model"], "system_fingerprint": "fp_stand_in"}
    if not call["stream"]:
        whole = [{name: value for name, value in it.items() if name != "index"} for it in calls]
        message = {"role": "assistant", "content": call["text"] or None, **({"tool_calls": whole} if calls else {})}
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        return {**head, "object": "chat.completion", "choices": [choice], "usage": usage}

    def chunk(delta, reason=None, **more):
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return {**head, "object": "chat.completion.chunk", "choices": [choice], **more}

    chunks = [chunk({"role": "assistant", "content": ""})]
    chunks += [chunk({"content": piece}) for piece in pieces(call["text"])]
    chunks += [chunk({"tool_calls": [it]}) for it in calls]
    chunks.append(chunk({}, reason))
    if (body.get("stream_options") or {}).get("include_usage"):
        chunks.append({**head, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    return [(None, it) for it in chunks] + [(None, "[DONE]")]


def pieces(text):
    """A text in the pieces of a stream."""
    return re.findall(r"\S+\s*", text)


def responses(call, body):
    """OpenAI's response, whole or as events."""
    number = call["exchange"]
    items = []
    if call["text"]:
        content = [{"type": "output_text", "text": call["text"], "annotations": [], "logprobs": []}]
        items.append({"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed", "content": content})
    for at, it in enumerate(call["tool_calls"]):
        item = {"type": "function_call", "id": f"fc_{number}{at}", "call_id": it["id"], "name": it["name"], "status": "completed"}
        items.append({**item, "arguments": json.dumps(it["arguments"])})
    usage = {**call["usage"], "total_tokens": total(call)}
    usage |= {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    whole = {
        "id": call["response_id"], "object": "response", "created_at": 1795300000, "status": "completed", "model": call["model"],
        "output": items, "usage": usage, "parallel_tool_calls": True, "tool_choice": "auto", "tools": body.get("tools") or [],
        "instructions": body.get("instructions"), "temperature": 1.0, "top_p": 1.0, "error": None, "incomplete_details": None,
        "metadata": {}, "text": {"format": {"type": "text"}},
    }
    if not call["stream"]:
        return whole
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    events = [("response.created", {"response": begun}), ("response.in_progress", {"response": begun})]
    for at, item in enumerate(items):
        events += item_events(at, item)
    events.append(("response.completed", {"response": whole}))
    return [(name, {"type": name, "sequence_number": at, **event}) for at, (name, event) in enumerate(events)]


def item_events(at, item):
    """The events in which an item of a response is streamed."""
    about = {"output_index": at, "item_id": item["id"]}
    if item["type"] == "function_call":
        begun = {**item, "arguments": "", "status": "in_progress"}
        inner = [
            ("response.function_call_arguments.delta", {**about, "delta": item["arguments"]}),
            ("response.function_call_arguments.done", {**about, "name": item["name"], "arguments": item["arguments"]}),
        ]
    else:
        begun, part = {**item, "content": [], "status": "in_progress"}, item["content"][0]
        about["content_index"] = 0
        inner = [("response.content_part.added", {**about, "part": {**part, "text": ""}})]
        inner += [("response.output_text.delta", {**about, "delta": it, "logprobs": []}) for it in pieces(part["text"])]
        inner += [("response.output_text.done", {**about, "text": part["text"], "logprobs": []})]
        inner += [("response.content_part.done", {**about, "part": part})]
    ends = [("response.output_item.added", begun), ("response.output_item.done", item)]
    (first, last) = [(name, {"output_index": at, "item": it}) for name, it in ends]
    return [first, *inner, last]


def anthropic(call, body):
    """Anthropic's message, whole or as events."""
    blocks = [{"type": "text", "text": call["text"]}] if call["text"] else []
    blocks += [{"type": "tool_use", "id": it["id"], "name": it["name"], "input": it["arguments"]} for it in call["tool_calls"]]
    reason = "tool_use" if call["tool_calls"] else "end_turn"
    whole = {
        "id": call["response_id"], "type": "message", "role": "assistant", "model": call["model"], "content": blocks,
        "stop_reason": reason, "stop_sequence": None, "usage": call["usage"],
    }
    if not call["stream"]:
        return whole
    begun = {**whole, "content": [], "stop_reason": None, "usage": {**call["usage"], "output_tokens": 1}}
    events = [("message_start", {"message": begun})]
    for at, block in enumerate(blocks):
        if block["type"] == "text":
            empty, deltas = {"type": "text", "text": ""}, [{"type": "text_delta", "text": it} for it in pieces(block["text"])]
        else:
            empty = {**block, "input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
        events.append(("content_block_start", {"index": at, "content_block": empty}))
        events += [("content_block_delta", {"index": at, "delta": it}) for it in deltas]
        events.append(("content_block_stop", {"index": at}))
    usage = {"output_tokens": call["usage"]["output_tokens"]}
    events.append(("message_delta", {"delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}))
    events.append(("message_stop", {}))
    return [(name, {"type": name, **event}) for name, event in events]


def gemini(call, body):
    """Gemini's answer; a stream has it in one piece."""
    parts = [{"text": call["text"]}] if call["text"] else []
    parts += [{"functionCall": {"id": it["id"], "name": it["name"], "args": it["arguments"]}} for it in call["tool_calls"]]
    usage = {
        "promptTokenCount": call["usage"]["input_tokens"],
        "candidatesTokenCount": call["usage"]["output_tokens"],
        "totalTokenCount": total(call),
    }
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
    whole = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": call["model"], "responseId": call["response_id"]}
    return [(None, whole)] if call["stream"] else whole


def embeddings(call, body):
    """OpenAI's embeddings: the same vector for every text."""
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    packed = base64.b64encode(struct.pack(f"<{len(VECTOR)}f", *VECTOR)).decode()
    vector = packed if body.get("encoding_format") == "base64" else VECTOR
    data = [{"object": "embedding", "index": at, "embedding": vector} for at in range(len(texts))]
    count = call["usage"]["input_tokens"]
    return {"object": "list", "model": call["model"], "data": data, "usage": {"prompt_tokens": count, "total_tokens": count}}


ANSWERS = {"chat": chat, "responses": responses, "messages": anthropic, "gemini": gemini, "embeddings": embeddings}
REFUSAL = {
    "type": "error",
    "error": {"type": "not_found_error", "message": "The model does not exist", "code": "model_not_found", "status": "NOT_FOUND"},
}


def route(path, body):
    """Interface, model, and whether a stream is asked for; none where the path is not one of a provider."""
    found = re.search(r"/models/([^/:]+):(stream)?[gG]enerateContent", path)
    if found:
        return "gemini", found[1], bool(found[2])
    for end, api in [("/chat/completions", "chat"), ("/responses", "responses"), ("/messages", "messages"), ("/embeddings", "embeddings")]:
        if path.split("?")[0].endswith(end):
            return api, body["model"], bool(body.get("stream"))
    return None


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    protocol_version = "HTTP/1.1"
    provider = None

    def do_GET(self):
        self.answer(200, "application/json", json.dumps(self.provider.calls))

    def do_POST(self):
        length = int(self.headers.get("content-length") or 0)
        if length > MAX_BODY_BYTES:
            self.close_connection = True
            return self.answer(413, "application/json", "{}")
        body = json.loads(self.rfile.read(length) or b"{}")
        routed = route(self.path, body)
        if routed is None:
            return self.answer(404, "application/json", json.dumps(REFUSAL))
        call = self.provider.next(*routed)
        if "error" in call:
            refusal = json.loads(json.dumps(REFUSAL))
            if call["api"] == "gemini":
                refusal["error"]["code"] = 404
            return self.answer(404, "application/json", json.dumps(refusal))
        answer = ANSWERS[call["api"]](call, body)
        if isinstance(answer, dict):
            return self.answer(200, "application/json", json.dumps(answer))
        lines = [(f"event: {name}\n" if name else "") + f"data: {it if it == '[DONE]' else json.dumps(it)}\n\n" for name, it in answer]
        self.answer(200, "text/event-stream", "".join(lines))

    def answer(self, status, kind, text):
        body = text.encode()
        self.send_response_only(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        """Logs nothing."""


@contextlib.contextmanager
def serving(script):
    """The root URL of a provider, and the provider, until the block ends."""
    provider = Provider(script)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Scripted", (Handler,), {"provider": provider}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", provider
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    with serving(json.loads(sys.argv[1])) as (url, _):
        print(url, flush=True)
        sys.stdin.read()
