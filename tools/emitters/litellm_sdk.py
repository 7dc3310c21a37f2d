"""LiteLLM as a library, with its OpenTelemetry callback, or with its generic one.

    pip install -r requirements-litellm.txt
    OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 python3 litellm_sdk.py
    GENERIC_LOGGER_ENDPOINT=http://127.0.0.1:4318/v1/litellm python3 litellm_sdk.py generic_api

`OTEL_EXPORTER_OTLP_PROTOCOL` is `http/protobuf` unless set, or `grpc`. `LITELLM_OTEL_V2=true` chooses LiteLLM's second way of
writing spans, which leaves content out unless `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=span_only`. The last call is
answered by LiteLLM itself (`mock_response`).

Calls are asynchronous: of synchronous ones the second way writes no span and the generic callback says nothing.
"""

import asyncio
import os
import sys

os.environ.setdefault("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # Else it fetches a price list from the internet.
os.environ.setdefault("DEFAULT_BATCH_SIZE", "1")  # Of the generic callback, which loses what waits when the process ends.

import litellm  # noqa: E402
import openai  # noqa: E402
from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER  # noqa: E402

import calls  # noqa: E402

MOCK = {
    "id": "mock",
    "url": "/chat/completions",
    "request_body": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Is rail allowed by the travel policy?"}]},
}


async def call(exchange, session, **more):
    """One call through LiteLLM, and what its caller saw."""
    body = exchange["request_body"]
    # A dict of its own for each call: LiteLLM writes into it, and skips the spans of a call that brings one it has seen.
    metadata = {
        "session_id": session,  # The second way writes it as the conversation.
        "requester_metadata": {"session_id": session},  # The first keeps here what a proxy's caller sent.
        "user_api_key_user_id": calls.USER,
    }
    api = litellm.aembedding if calls.is_embedding(exchange) else litellm.acompletion
    try:
        answer = await api(**{**body, "model": "openai/" + body["model"]}, metadata=metadata, num_retries=0, **more)
        if body.get("stream"):
            answer = [chunk async for chunk in answer]
        return calls.answered(exchange, answer)
    except openai.APIStatusError as error:
        return {**calls.asked(exchange), "error": error.status_code}


async def main(callback):
    litellm.telemetry = False
    litellm.suppress_debug_info = True  # It prints where to get help with an error, and standard output is the report's.
    litellm.callbacks = [callback]
    session = calls.session()
    with calls.provider() as url:
        api = {"api_base": url, "api_key": os.environ.get("OPENAI_API_KEY", "none")}
        made = [await call(exchange, session, **api) for exchanges in calls.turns() for exchange in exchanges]
    made.append(await call(MOCK, session, mock_response="Rail is allowed on trips under four hours."))
    # LiteLLM tells its callbacks later, from a queue; what waits to be exported then goes out when the process ends.
    await GLOBAL_LOGGING_WORKER.flush()
    calls.report(made, session=session)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "otel"))
