"""The OpenAI SDK under Logfire's instrumentation: chat, responses, a stream, and embeddings."""

import os

os.environ["OTEL_RESOURCE_ATTRIBUTES"] = "host.name=host,host.id=0,os.version=0"

import logfire
from openai import OpenAI

from journey import *

logfire.configure(send_to_logfire=False, service_name="logfire-app", console=False)


def traced(tool):
    def run_tool(**arguments):
        with logfire.span("tool {name}", name=tool.__name__):
            return tool(**arguments)

    return run_tool


def weather(client, text):
    with logfire.span("weather agent"):
        return answer_with_tools(client, text, get_weather=traced(get_weather), refund=traced(refund))


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
