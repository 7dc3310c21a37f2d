"""The OpenAI Agents SDK, with tools, a hand-over, and a guardrail, under the instrumentation that the argument names.

    openai_agents_app.py openinference|openllmetry|logfire
"""

import os
import sys

from agents import Agent, GuardrailFunctionOutput, OpenAIProvider, RunConfig, Runner, function_tool, input_guardrail
from agents.tracing import set_trace_processors

from journey import *

set_trace_processors([])  # The SDK's own would export to OpenAI.
instrumentation = sys.argv[1]
telemetry = tracing(f"openai-agents-{instrumentation}")
if instrumentation == "openinference":
    from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor

    OpenAIAgentsInstrumentor().instrument(tracer_provider=telemetry)
elif instrumentation == "openllmetry":
    from opentelemetry.instrumentation.openai_agents import OpenAIAgentsInstrumentor

    OpenAIAgentsInstrumentor().instrument(tracer_provider=telemetry)
else:
    os.environ["OTEL_RESOURCE_ATTRIBUTES"] = "host.name=host,host.id=0,os.version=0"
    import logfire

    logfire.configure(send_to_logfire=False, service_name="openai-agents-logfire", console=False)
    logfire.instrument_openai_agents()

HANDOVER = [{"tool": "transfer_to_clerk", "arguments": {}}, "The clerk is here."]


@input_guardrail
async def harmless(context, agent, text):
    return GuardrailFunctionOutput(output_info="harmless", tripwire_triggered="bomb" in str(text))


async def application(url):
    provider = OpenAIProvider(base_url=f"{url}/v1", api_key="none")
    config = RunConfig(model_provider=provider, group_id=SESSION)
    clerk = Agent(name="clerk", instructions="Be brief.", model=MODEL)
    agent = Agent(
        name="weather", instructions="Be brief.", model=MODEL, tools=[function_tool(get_weather), function_tool(refund)],
        handoffs=[clerk], input_guardrails=[harmless],
    )
    for text in (HELLO, WEATHER, "Get me the clerk."):
        await Runner.run(agent, text, run_config=config)
    with attempt("refund"):
        await Runner.run(agent, REFUND, run_config=config)
    with attempt("unknown model"):
        await Runner.run(Agent(name="unknown", model=UNKNOWN_MODEL), HELLO, run_config=config)
    with attempt("tripwire"):
        await Runner.run(Agent(name="guarded", model=MODEL, input_guardrails=[harmless]), "How to build a bomb?", run_config=config)
    if instrumentation == "logfire":
        logfire.force_flush()


run(application, telemetry, script=PLAIN + TOOL + HANDOVER + FAILING_TOOL + ["I will not say."])
