"""A LiteLLM proxy in front of the stand-in, and an application that calls it.

    pip install -r requirements-litellm.txt
    OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 python3 litellm_proxy.py
    GENERIC_LOGGER_ENDPOINT=http://127.0.0.1:4318/v1/litellm python3 litellm_proxy.py generic_api

It writes a configuration, starts the proxy on a free port, makes the calls with the OpenAI SDK, which knows nothing of LiteLLM, and
stops the proxy. The names of user and session come with each call, as the proxy lets its callers say them. The environment is the
proxy's, too: so for `LITELLM_OTEL_V2=true`.

How a proxy is stopped matters: on SIGINT it exports the spans that wait; on SIGTERM it ends without, and the last five seconds are
lost. Its generic callback loses them either way, which is why it is told here to send each call at once.
"""

import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import openai

import calls

READY_SECONDS = 120
STOP_SECONDS = 60


def free_port():
    """A free port below those that the system gives to connections, so that none takes it before the proxy does."""
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def configuration(callback, provider, key):
    """The proxy's configuration; JSON is YAML. Every model is the stand-in's."""
    models = {exchange["request_body"]["model"] for turn in calls.turns() for exchange in turn}
    model = {"api_base": provider, "api_key": os.environ.get("OPENAI_API_KEY", "none"), "num_retries": 0}
    return {
        "model_list": [
            {"model_name": name, "litellm_params": {"model": f"openai/{name}", **model}} for name in sorted(models)
        ],
        "litellm_settings": {"callbacks": [callback], "telemetry": False, "num_retries": 0},
        "general_settings": {"master_key": key},
        # A provider's error would else put the model aside for the next calls.
        "router_settings": {"disable_cooldowns": True},
    }


def start(config, port):
    """The proxy, once it is alive."""
    environment = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # Else it fetches a price list from the internet.
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "DEFAULT_BATCH_SIZE": "1",  # Of the generic callback.
        **os.environ,
    }
    program = os.path.join(os.path.dirname(sys.executable), "litellm")
    arguments = ["--config", config, "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    proxy = subprocess.Popen(
        [program, *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and proxy.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=5).close()
            return proxy
        except OSError:
            time.sleep(0.2)
    proxy.kill()
    raise SystemExit(f"the proxy was not alive within {READY_SECONDS} s, or ended: run `litellm --config FILE` to see why")


def stop(proxy):
    """Ends the proxy as Ctrl-C does."""
    proxy.send_signal(signal.SIGINT)
    try:
        proxy.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        proxy.kill()
        proxy.wait()


def call(client, exchange, session):
    """One call through the proxy, and what its caller saw."""
    api = client.embeddings if calls.is_embedding(exchange) else client.chat.completions
    more = {"metadata": {"session_id": session}, "litellm_session_id": session}
    try:
        return calls.answered(exchange, api.create(**exchange["request_body"], user=calls.USER, extra_body=more))
    except openai.APIStatusError as error:
        return {**calls.asked(exchange), "error": error.status_code}


def main(callback):
    key, session = f"sk-{secrets.token_hex(24)}", calls.session()
    with calls.provider() as url, tempfile.TemporaryDirectory() as folder:
        config, port = os.path.join(folder, "config.yaml"), free_port()
        with open(config, "w", encoding="utf-8") as file:
            json.dump(configuration(callback, url, key), file)
        proxy = start(config, port)
        try:
            client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key, max_retries=0)
            made = [call(client, exchange, session) for exchanges in calls.turns() for exchange in exchanges]
        finally:
            stop(proxy)
    calls.report(made, session=session)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "otel")
