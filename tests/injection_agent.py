"""The agent as a program, with a file for the machine's log: `python -m tests.injection_agent --state FOLDER`."""

from __future__ import annotations

import sys

import uvicorn

from injector.agents.agent import Agent
from injector.agents.app import app
from injector.inventory import LocalInventory
from injector.places import AGENT_PORT, REGISTRY, agent_token
from injector.tls import of_agent
from tests.injected import FakeKernelLog, all_families
from tests.injection_programs import folder_of


def main() -> None:
    state = folder_of(sys.argv)
    secured = of_agent(folder_of(sys.argv, "--tls")) if "--tls" in sys.argv else {}
    agent = Agent(state / "agent", all_families(LocalInventory(state / REGISTRY), FakeKernelLog(state / "kmsg")))
    agent.start()
    try:
        uvicorn.run(app(agent, token=agent_token(state)), port=AGENT_PORT, log_level="warning", **secured)
    finally:
        agent.close()


if __name__ == "__main__":
    main()
