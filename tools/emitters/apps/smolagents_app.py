"""smolagents under OpenInference's instrumentation: an agent that calls tools, and answers by one."""

from openinference.instrumentation.smolagents import SmolagentsInstrumentor
from smolagents import OpenAIServerModel, ToolCallingAgent, tool

from journey import *

telemetry = tracing("smolagents-app")
SmolagentsInstrumentor().instrument(tracer_provider=telemetry)


def final(text):
    return {"tool": "final_answer", "arguments": {"answer": text}}


def application(url):
    def agent(model):
        client = {"max_retries": 0}
        chat = OpenAIServerModel(model, api_base=f"{url}/v1", api_key="none", client_kwargs=client, retry=False)
        return ToolCallingAgent(tools=[tool(get_weather), tool(refund)], model=chat, max_steps=3, name="weather", description="Knows weather.")

    agent(MODEL).run(HELLO)
    agent(MODEL).run(WEATHER)
    with attempt("refund"):
        agent(MODEL).run(REFUND)
    with attempt("unknown model"):
        agent(UNKNOWN_MODEL).run(HELLO)


run(application, telemetry, script=[final(it) if isinstance(it, str) else it for it in SCRIPT])
