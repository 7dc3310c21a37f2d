"""What the emitters here have in common: the calls that they make, and how they tell of them.

Every program prints one JSON object: `session`, and in `calls` what the caller saw of each call: the exchange it repeats, the
answer's `response_id` and `model`, its `usage`, the `text`, the ids of `tool_calls`, or `error` with the HTTP status. Whoever checks
a log compares that with what was recorded.
"""

import contextlib
import json
import os
import time

from stand_in import exchanges, serving

USER = "u-20931"


def session():
    """The session's name: `EMITTER_SESSION`, or one of this second's own."""
    return os.environ.get("EMITTER_SESSION") or f"sess-{int(time.time()):x}"


@contextlib.contextmanager
def provider():
    """The URL of the provider's API: `OPENAI_BASE_URL`, or that of a stand-in of this process's own."""
    if os.environ.get("OPENAI_BASE_URL"):
        yield os.environ["OPENAI_BASE_URL"]
    else:
        with serving() as url:
            yield url


def turns():
    """The exchanges by turns of a conversation: a call, and where tools were called and their results brought, the call after it."""
    found = []
    for exchange in exchanges():
        if "tool_result_in_request" in exchange["kinds"]:
            found[-1].append(exchange)
        else:
            found.append([exchange])
    return found


def is_embedding(exchange):
    """Whether it asks for embeddings; else it is a chat."""
    return exchange["url"].endswith("/embeddings")


def tool_results(exchange):
    """The tool runs before a call: id, name, arguments and result of each, as its messages have them."""
    messages = exchange["request_body"]["messages"]
    results = {message["tool_call_id"]: message["content"] for message in messages if message["role"] == "tool"}
    asked = [call for message in messages for call in message.get("tool_calls", [])]
    return [(it["id"], it["function"]["name"], it["function"]["arguments"], results[it["id"]]) for it in asked]


def asked(exchange):
    """What is known of a call before it is answered."""
    return {
        "exchange": exchange["id"],
        "kind": "embeddings" if is_embedding(exchange) else "chat",
        "requested": exchange["request_body"]["model"],
    }


def answered(exchange, answer):
    """What the caller of the OpenAI SDK, or of one that answers alike, got: an answer, or a stream's chunks."""
    if is_embedding(exchange):
        return {**asked(exchange), "model": answer.model, "usage": tokens(answer)}
    chunks = list(answer) if exchange["request_body"].get("stream") else [answer]
    # A stream's last chunk has the usage and no choice.
    firsts = [choice for chunk in chunks for choice in chunk.choices if choice.index == 0]
    messages = [getattr(choice, "delta", None) or choice.message for choice in firsts]
    calls = [call.id for message in messages for call in message.tool_calls or [] if call.id]
    return {
        **asked(exchange),
        "model": chunks[0].model,
        "response_id": chunks[0].id,
        "usage": {name: count for chunk in chunks for name, count in tokens(chunk).items()},
        "text": "".join(message.content or "" for message in messages),
        "tool_calls": calls,
    }


def tokens(answer):
    """Tokens, by the names they have in OpenTelemetry; none where nothing was said."""
    usage = getattr(answer, "usage", None)
    counts = {"input_tokens": getattr(usage, "prompt_tokens", None), "output_tokens": getattr(usage, "completion_tokens", None)}
    return {name: count for name, count in counts.items() if count}


def report(calls, **more):
    """Prints what was done."""
    print(json.dumps({**more, "calls": calls}, ensure_ascii=False, indent=1))
