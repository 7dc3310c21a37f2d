"""What the applications here share: the turns they make, the tools they have, their exporter, and the account they print.

An application makes these turns, each with its framework's own means: a plain answer, an answer after a tool, an answer after a
tool that fails, and a call of a model that does not exist. Frameworks with streams, hand-overs, or retrieval have further ones.
The account is the provider's: what was asked for and what the caller received. `tools` has every run of a tool, as the tool saw it.
"""

import asyncio
import contextlib
import inspect
import json
import os
import sys

from scripted import serving

MODEL = "gpt-4o-mini"
UNKNOWN_MODEL = "no-such-model"
HELLO, HELLO_ANSWER = "Say hello.", "Hello from the model."
WEATHER, WEATHER_ANSWER = "What is the weather in Paris?", "It is 18 °C and sunny in Paris."
REFUND, REFUND_ANSWER = "Refund order 8841.", "Order 8841 does not exist."
USER, SESSION = "u-20931", os.environ.get("EMITTER_SESSION") or "sess-corpus"

PLAIN = [HELLO_ANSWER]
TOOL = [{"tool": "get_weather", "arguments": {"city": "Paris"}}, WEATHER_ANSWER]
FAILING_TOOL = [{"tool": "refund", "arguments": {"order": "8841"}}, REFUND_ANSWER]
SCRIPT = PLAIN + TOOL + FAILING_TOOL

RUNS = []

# Only the account goes to stdout; what a framework prints goes to stderr.
ACCOUNT = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)


def get_weather(city: str) -> str:
    """Returns the weather in a city.

    Args:
        city: Name of the city.
    """
    RUNS.append({"name": "get_weather", "arguments": {"city": city}, "result": "18 °C, sunny"})
    return RUNS[-1]["result"]


def refund(order: str) -> str:
    """Refunds an order.

    Args:
        order: Number of the order.
    """
    RUNS.append({"name": "refund", "arguments": {"order": order}, "error": f"no order {order}"})
    raise ValueError(RUNS[-1]["error"])


TOOL_SCHEMA = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("get_weather", "refund")
]


def answer_with_tools(client, text, **tools):
    """A turn by OpenAI's client: the tools that the model calls run in between. `tools` are those by name, as a framework wraps them."""
    messages = [{"role": "user", "content": text}]
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOL_SCHEMA).choices[0].message
    messages.append(answer.model_dump(exclude_none=True))
    for call in answer.tool_calls or []:
        result = tools[call.function.name](**json.loads(call.function.arguments))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    return client.chat.completions.create(model=MODEL, messages=messages, tools=TOOL_SCHEMA).choices[0].message.content


def tracing(service, *, set_global=True):
    """A tracer provider that exports over OTLP/HTTP to `OTEL_EXPORTER_OTLP_ENDPOINT`."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service, "service.version": "1.4.2"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    if set_global:
        trace.set_tracer_provider(provider)
    return provider


def logging_of(service):
    """The same for log records."""
    from opentelemetry._logs import set_logger_provider
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.resources import Resource

    provider = LoggerProvider(resource=Resource.create({"service.name": service, "service.version": "1.4.2"}))
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    set_logger_provider(provider)
    return provider


@contextlib.contextmanager
def attempt(what):
    """A turn that may fail, as the one with an unknown model does. The failure goes to stderr."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001 - frameworks raise all kinds
        print(f"{what}: {type(error).__name__}: {str(error)[:200]}", file=sys.stderr)


def run(application, *providers, script=SCRIPT):
    """Serves the script to an application, flushes the telemetry, and prints the account.

    The application takes the provider's root URL. It is a function or a coroutine function.
    """
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY"):
        os.environ[name] = "none"
    with serving(script) as (url, provider):
        os.environ |= {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_BASE": f"{url}/v1"}
        result = application(url)
        if inspect.iscoroutine(result):
            asyncio.run(result)
    for telemetry in providers:
        telemetry.shutdown()
    account = {"session": SESSION, "calls": provider.calls, "tools": RUNS}
    print(json.dumps(account, ensure_ascii=False, indent=1), file=ACCOUNT, flush=True)
