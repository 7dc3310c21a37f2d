"""Google's Gen AI SDK under OpenTelemetry's instrumentation: tools that the SDK runs by itself, and a stream."""

import os

os.environ |= {"OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental"}
os.environ |= {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_AND_EVENT"}

from google import genai
from google.genai import types
from opentelemetry.instrumentation.google_genai import GoogleGenAiSdkInstrumentor

from journey import *

GEMINI = "gemini-2.5-flash"
telemetry, events = tracing("google-genai-app"), logging_of("google-genai-app")
GoogleGenAiSdkInstrumentor().instrument()


def application(url):
    client = genai.Client(api_key="none", http_options=types.HttpOptions(base_url=url))
    config = types.GenerateContentConfig(system_instruction="Be brief.", tools=[get_weather, refund])
    client.models.generate_content(model=GEMINI, contents=HELLO)
    client.models.generate_content(model=GEMINI, contents=WEATHER, config=config)
    list(client.models.generate_content_stream(model=GEMINI, contents=HELLO))
    with attempt("refund"):
        client.models.generate_content(model=GEMINI, contents=REFUND, config=config)
    with attempt("unknown model"):
        client.models.generate_content(model=UNKNOWN_MODEL, contents=HELLO)


run(application, telemetry, events, script=PLAIN + TOOL + PLAIN + FAILING_TOOL)
