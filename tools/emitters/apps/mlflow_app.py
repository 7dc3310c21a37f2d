"""The OpenAI SDK under MLflow's tracing, exported over OTLP: autologged calls below an agent and its tools.

    mlflow_app.py own|genai

By MLflow's own names, or by those of OpenTelemetry's GenAI conventions.
"""

import os
import sys
import tempfile

os.environ["MLFLOW_ENABLE_OTEL_GENAI_SEMCONV"] = str(sys.argv[1] == "genai").lower()
os.environ["OTEL_SERVICE_NAME"] = "mlflow-app"
os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{tempfile.mkdtemp()}/mlflow.db"

import mlflow
from openai import OpenAI

from journey import *

mlflow.openai.autolog()


@mlflow.trace(span_type="TOOL", name="get_weather")
def traced_weather(city):
    return get_weather(city)


@mlflow.trace(span_type="TOOL", name="refund")
def traced_refund(order):
    return refund(order)


@mlflow.trace(span_type="RETRIEVER")
def look_up(query):
    return [{"page_content": "Refunds take 5 days.", "metadata": {"doc_uri": "kb-1"}, "id": "kb-1"}]


@mlflow.trace(span_type="AGENT")
def weather(client, text):
    return answer_with_tools(client, text, get_weather=traced_weather, refund=traced_refund)


def application(url):
    client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": HELLO}], temperature=0.5)
    weather(client, WEATHER)
    list(client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": HELLO}], stream=True))
    look_up("How long do refunds take?")
    client.embeddings.create(model="text-embedding-3-small", input="refunds", encoding_format="float")
    with attempt("refund"):
        weather(client, REFUND)
    with attempt("unknown model"):
        client.chat.completions.create(model=UNKNOWN_MODEL, messages=[{"role": "user", "content": HELLO}])
    mlflow.flush_trace_async_logging()


run(application, script=PLAIN + TOOL + PLAIN + FAILING_TOOL)
