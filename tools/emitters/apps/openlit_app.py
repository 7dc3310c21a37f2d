"""The OpenAI SDK under OpenLIT's instrumentation: chat with tools, responses, a stream, and embeddings."""

import json
import os
import tempfile

import openlit
from openai import OpenAI

from journey import *

telemetry = tracing("openlit-app")
with tempfile.NamedTemporaryFile("w", suffix=".json") as prices:  # It would look for prices elsewhere.
    prices.write('{"chat": {}, "embeddings": {}}')
    prices.flush()
    openlit.init(
        application_name="openlit-app", otlp_endpoint=os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"], disable_metrics=True, pricing_json=prices.name
    )
SCHEMA = [{"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}} for name in ("get_weather", "refund")]


def weather(client, text):
    messages = [{"role": "user", "content": text}]
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=SCHEMA).choices[0].message
    messages.append(answer.model_dump(exclude_none=True))
    for call in answer.tool_calls or []:
        result = {"get_weather": get_weather, "refund": refund}[call.function.name](**json.loads(call.function.arguments))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    return client.chat.completions.create(model=MODEL, messages=messages, tools=SCHEMA)


def application(url):
    client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    hello = [{"role": "user", "content": HELLO}]
    client.chat.completions.create(model=MODEL, messages=hello, temperature=0.5, user=USER)
    weather(client, WEATHER)
    list(client.chat.completions.create(model=MODEL, messages=hello, stream=True, stream_options={"include_usage": True}))
    client.responses.create(model=MODEL, input=HELLO, instructions="Be brief.")
    client.embeddings.create(model="text-embedding-3-small", input="refunds", encoding_format="float")
    with attempt("refund"):
        weather(client, REFUND)
    with attempt("unknown model"):
        client.chat.completions.create(model=UNKNOWN_MODEL, messages=hello)


run(application, telemetry, script=PLAIN + TOOL + PLAIN + PLAIN + FAILING_TOOL)
