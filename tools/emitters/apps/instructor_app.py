"""Instructor under OpenInference's instrumentations of Instructor and of the OpenAI SDK: answers of a given shape."""

import instructor
from openai import OpenAI
from openinference.instrumentation.instructor import InstructorInstrumentor
from openinference.instrumentation.openai import OpenAIInstrumentor
from pydantic import BaseModel

from journey import *

telemetry = tracing("instructor-app")
InstructorInstrumentor().instrument(tracer_provider=telemetry)
OpenAIInstrumentor().instrument(tracer_provider=telemetry)


class Weather(BaseModel):
    city: str
    degrees: int


def application(url):
    client = instructor.from_openai(OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0))

    def ask(model):
        about = {"response_model": Weather, "max_retries": 0, "messages": [{"role": "user", "content": WEATHER}]}
        return client.chat.completions.create(model=model, **about)

    ask(MODEL)
    with attempt("wrong shape"):
        ask(MODEL)
    with attempt("unknown model"):
        ask(UNKNOWN_MODEL)


shapes = [{"city": "Paris", "degrees": 18}, {"city": "Paris", "degrees": "many"}]
run(application, telemetry, script=[{"tool": "Weather", "arguments": it} for it in shapes])
