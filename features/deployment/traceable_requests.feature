@deployment
Feature: A request can be found again by its sender's name for it
  A customer complains about one answer out of a million. Support has the name that the customer's program gave
  the request, and needs what frontend and worker wrote about it.

  Rule: The name that a sender gives a request is in its answer and in the logs of who worked on it

    Scenario Outline: A named request is found in the answer, the frontend's log and the log of one worker
      Given a <backend> deployment with 2 workers whose logs are structured
      When a client sends a good request under a name of its own
      Then the answer bears that name
      And the log of the frontend has it
      And the log of one worker has it

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    Scenario Outline: A refusal bears the name of what was refused
      Given a <backend> deployment with 2 workers that allows no migrations
      When a client sends a request that names a model that nobody serves, under a name of its own
      Then it is refused as unknown within 1 second
      And the answer bears that name

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    @known_defect
    Scenario Outline: A named request is found in logs that people read
      Known defect: Dynamo 1.4.2 writes the sender's name into a worker's log only where logs are structured.

      Given a <backend> deployment with 2 workers that allows no migrations
      When a client sends a good request under a name of its own
      Then the answer bears that name
      And the log of the frontend has it
      And the log of one worker has it

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |
