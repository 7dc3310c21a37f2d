"""Strands Agents under its own spans: an agent with tools. It always streams."""

from strands import Agent, tool
from strands.models.openai import OpenAIModel

from journey import *

telemetry = tracing("strands-app")


def application(url):
    def agent(model, name="weather"):
        client = {"api_key": "none", "base_url": f"{url}/v1", "max_retries": 0}
        chat = OpenAIModel(client_args=client, model_id=model)
        about = {"session.id": SESSION, "user.id": USER}
        tools = [tool(get_weather), tool(refund)]
        return Agent(model=chat, name=name, system_prompt="Be brief.", tools=tools, callback_handler=None, trace_attributes=about)

    agent(MODEL)(HELLO)
    agent(MODEL)(WEATHER)
    with attempt("refund"):
        agent(MODEL)(REFUND)
    with attempt("unknown model"):
        agent(UNKNOWN_MODEL, "unknown")(HELLO)


run(application, telemetry)
