"""An application that talks to a model with the OpenAI SDK, instrumented by whatever it is given.

Instrumentations know neither users nor sessions. As applications do, this one puts them into the baggage and copies them from there
onto every span; the turn that uses tools has spans of its own around its calls, by the semantic conventions.
"""

import os

import openai
from opentelemetry import baggage, context, trace

import calls
from telemetry import Telemetry

SERVICE = "weather-assistant"
AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "weather", "gen_ai.agent.version": "1.4.2"}


def run(instrumentor):
    """Makes all calls, exports what was seen of them, and prints what their caller saw."""
    telemetry, session = Telemetry(SERVICE), calls.session()
    instrumentor.instrument()
    context.attach(baggage.set_baggage("user.id", calls.USER, baggage.set_baggage("session.id", session)))
    with calls.provider() as url:
        client = openai.OpenAI(base_url=url, api_key=os.environ.get("OPENAI_API_KEY", "none"), max_retries=0)
        made = [seen for exchanges in calls.turns() for seen in turn(client, exchanges, telemetry)]
    calls.report(made, session=session, **telemetry.finish())


def turn(client, exchanges, telemetry):
    """The calls of a turn; where tools are used, an agent's."""
    first, *later = exchanges
    if not later:
        return [call(client, first, telemetry)]
    tracer = trace.get_tracer(SERVICE)
    with tracer.start_as_current_span("invoke_agent weather", attributes=AGENT):
        made = [call(client, first, telemetry)]
        for exchange in later:
            for result in calls.tool_results(exchange):
                use_tool(tracer, *result)
            made.append(call(client, exchange, telemetry))
    return made


def use_tool(tracer, call_id, name, arguments, result):
    """A tool run whose result is known beforehand."""
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": call_id,
        "gen_ai.tool.call.arguments": arguments,
        "gen_ai.tool.call.result": result,
    }
    with tracer.start_as_current_span(f"execute_tool {name}", attributes=attributes):
        pass


def call(client, exchange, telemetry):
    """One call through the SDK, and what its caller saw. Its span is the instrumentation's."""
    api = client.embeddings if calls.is_embedding(exchange) else client.chat.completions
    try:
        seen = calls.answered(exchange, api.create(**exchange["request_body"]))
    except openai.APIStatusError as error:
        seen = {**calls.asked(exchange), "error": error.status_code}
    return {**seen, **telemetry.last_span()}
