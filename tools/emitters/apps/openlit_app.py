"""The OpenAI SDK under OpenLIT's instrumentation: chat with tools, responses, a stream, and embeddings."""

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


def application(url):
    client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    hello = [{"role": "user", "content": HELLO}]
    client.chat.completions.create(model=MODEL, messages=hello, temperature=0.5, user=USER)
    answer_with_tools(client, WEATHER, get_weather=get_weather, refund=refund)
    list(client.chat.completions.create(model=MODEL, messages=hello, stream=True, stream_options={"include_usage": True}))
    client.responses.create(model=MODEL, input=HELLO, instructions="Be brief.")
    client.embeddings.create(model="text-embedding-3-small", input="refunds", encoding_format="float")
    with attempt("refund"):
        answer_with_tools(client, REFUND, get_weather=get_weather, refund=refund)
    with attempt("unknown model"):
        client.chat.completions.create(model=UNKNOWN_MODEL, messages=hello)


run(application, telemetry, script=PLAIN + TOOL + PLAIN + PLAIN + FAILING_TOOL)
