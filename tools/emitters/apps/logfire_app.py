"""The OpenAI SDK under Logfire's instrumentation: chat, responses, a stream, and embeddings."""

import json
import os

os.environ["OTEL_RESOURCE_ATTRIBUTES"] = "host.name=host,host.id=0,os.version=0"

import logfire
from openai import OpenAI

from journey import *

logfire.configure(send_to_logfire=False, service_name="logfire-app", console=False)
SCHEMA = [{"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}} for name in ("get_weather", "refund")]


def weather(client, text):
    messages = [{"role": "user", "content": text}]
    with logfire.span("weather agent"):
        answer = client.chat.completions.create(model=MODEL, messages=messages, tools=SCHEMA).choices[0].message
        messages.append(answer.model_dump(exclude_none=True))
        for call in answer.tool_calls or []:
            with logfire.span("tool {name}", name=call.function.name):
                result = {"get_weather": get_weather, "refund": refund}[call.function.name](**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
        return client.chat.completions.create(model=MODEL, messages=messages, tools=SCHEMA)


def application(url):
    client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    logfire.instrument_openai(client)
    hello = [{"role": "user", "content": HELLO}]
    client.chat.completions.create(model=MODEL, messages=hello, temperature=0.5)
    weather(client, WEATHER)
    with logfire.span("stream"):
        list(client.chat.completions.create(model=MODEL, messages=hello, stream=True, stream_options={"include_usage": True}))
    client.responses.create(model=MODEL, input=HELLO, instructions="Be brief.")
    client.embeddings.create(model="text-embedding-3-small", input="refunds", encoding_format="float")
    with attempt("refund"):
        weather(client, REFUND)
    with attempt("unknown model"):
        client.chat.completions.create(model=UNKNOWN_MODEL, messages=hello)
    logfire.force_flush()


run(application, script=PLAIN + TOOL + PLAIN + PLAIN + FAILING_TOOL)
