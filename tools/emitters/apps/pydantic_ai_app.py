"""Pydantic AI under its own instrumentation: an agent with tools, and a stream."""

from pydantic_ai import Agent
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from journey import *

telemetry = tracing("pydantic-ai-app")
Agent.instrument_all(InstrumentationSettings(tracer_provider=telemetry))


async def application(url):
    provider = OpenAIProvider(base_url=f"{url}/v1", api_key="none")
    agent = Agent(OpenAIChatModel(MODEL, provider=provider), name="weather", system_prompt="Be brief.", tools=[get_weather, refund])
    await agent.run(HELLO, conversation_id=SESSION)
    await agent.run(WEATHER, conversation_id=SESSION)
    async with agent.run_stream(HELLO, conversation_id=SESSION) as stream:
        await stream.get_output()
    with attempt("refund"):
        await agent.run(REFUND, conversation_id=SESSION)
    with attempt("unknown model"):
        await Agent(OpenAIChatModel(UNKNOWN_MODEL, provider=provider), name="unknown").run(HELLO)


run(application, telemetry, script=PLAIN + TOOL + PLAIN + FAILING_TOOL)
