@migration
Feature: A stream survives the loss of its worker
  People read an answer while it is being generated. When the machine that generates it dies,
  they must not notice: another worker goes on where the first one stopped.

  Rule: When a worker dies, another one completes its streams, word for word

    Scenario Outline: A killed worker costs a stream nothing over <plane>
      Given a <backend> deployment with 2 workers that allows 3 migrations, over <plane>
      And a client that streams 200 tokens
      When the worker that serves the client is killed after 50 tokens
      Then the client receives each of the 200 tokens exactly once
      And none of its tokens comes more than 5 seconds after the one before
      And exactly 1 migration of a running request is counted

      @vllm @smoke
      Examples: vLLM
        | backend | plane |
        | vllm    | TCP   |

      @sglang
      Examples: SGLang
        | backend | plane |
        | sglang  | TCP   |

      @trtllm
      Examples: TensorRT-LLM
        | backend | plane |
        | trtllm  | TCP   |

      @vllm @nats
      Examples: vLLM
        | backend | plane |
        | vllm    | NATS  |

      @sglang @nats
      Examples: SGLang
        | backend | plane |
        | sglang  | NATS  |

      @trtllm @nats
      Examples: TensorRT-LLM
        | backend | plane |
        | trtllm  | NATS  |

    @known_defect @use.with_engine=counting @use.with_engine=real
    Scenario Outline: A migrated answer counts its prompt once
      Known defect: Dynamo 1.4.2 adds the tokens that it replays on the new worker to the prompt.

      Given a <backend> deployment with 2 workers that allows 3 migrations
      And a client that streams 200 tokens
      When the worker that serves the client is killed after 50 tokens
      Then the client receives each of the 200 tokens exactly once
      And the client is told that it sent 5 tokens

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

  Rule: Where no migration is allowed, the loss of a worker is an error within 5 seconds

    Scenario Outline: A killed worker ends its stream with a clear error
      Given a <backend> deployment with 2 workers that allows no migrations
      And a client that streams 200 tokens
      When the worker that serves the client is killed after 50 tokens
      Then the client is told of an error within 5 seconds

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
    Scenario Outline: A stream that was not moved is not counted as moved
      Known defect: Dynamo 1.4.2 counts a migration although its limit is 0 and the request stays where it was.

      Given a <backend> deployment with 2 workers that allows no migrations
      And a client that streams 200 tokens
      When the worker that serves the client is killed after 50 tokens
      Then no migration is counted

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
