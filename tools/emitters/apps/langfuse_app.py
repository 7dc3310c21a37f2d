"""The OpenAI SDK under Langfuse's SDK, whose exporter is pointed at OTLP: generations, a tool, and a retriever."""

import os

os.environ |= {"LANGFUSE_PUBLIC_KEY": "pk-lf-none", "LANGFUSE_SECRET_KEY": "sk-lf-none"}
os.environ["OTEL_SERVICE_NAME"] = "langfuse-app"
os.environ["LANGFUSE_BASE_URL"] = os.environ["LANGFUSE_HOST"] = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"]

from langfuse import Langfuse, observe, propagate_attributes
from langfuse.openai import OpenAI

from journey import *

langfuse = Langfuse()


@observe(as_type="tool", name="get_weather")
def traced_weather(city):
    return get_weather(city)


@observe(as_type="tool", name="refund")
def traced_refund(order):
    return refund(order)


@observe(as_type="agent")
def weather(client, text):
    return answer_with_tools(client, text, get_weather=traced_weather, refund=traced_refund)


@observe(as_type="retriever")
def look_up(query):
    return [{"id": "kb-1", "content": "Refunds take 5 days."}]


def application(url):
    client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    with propagate_attributes(user_id=USER, session_id=SESSION):
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": HELLO}], temperature=0.5)
        weather(client, WEATHER)
        chunks = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": HELLO}], stream=True, stream_options={"include_usage": True}
        )
        list(chunks)
        look_up("How long do refunds take?")
        with attempt("refund"):
            weather(client, REFUND)
        with attempt("unknown model"):
            client.chat.completions.create(model=UNKNOWN_MODEL, messages=[{"role": "user", "content": HELLO}])
    langfuse.flush()


run(application, langfuse, script=PLAIN + TOOL + PLAIN + FAILING_TOOL)
