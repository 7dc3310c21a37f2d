"""Agno under OpenInference's instrumentation: an agent with tools."""

from agno.agent import Agent
from agno.models.openai import OpenAIChat
from openinference.instrumentation.agno import AgnoInstrumentor

from journey import *

telemetry = tracing("agno-app")
AgnoInstrumentor().instrument(tracer_provider=telemetry)


def application(url):
    def agent(model, name="weather"):
        chat = OpenAIChat(id=model, base_url=f"{url}/v1", api_key="none", max_retries=0)
        return Agent(model=chat, name=name, instructions="Be brief.", tools=[get_weather, refund], telemetry=False)

    about = {"session_id": SESSION, "user_id": USER}
    agent(MODEL).run(HELLO, **about)
    agent(MODEL).run(WEATHER, **about)
    for _ in agent(MODEL).run(HELLO, stream=True, **about):
        pass
    with attempt("refund"):
        agent(MODEL).run(REFUND, **about)
    with attempt("unknown model"):
        agent(UNKNOWN_MODEL, "unknown").run(HELLO, **about)


run(application, telemetry, script=PLAIN + TOOL + PLAIN + FAILING_TOOL)
