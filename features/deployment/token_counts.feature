@deployment
Feature: Whoever pays by the token is told how many there were
  Many are charged for what they receive, and programs plan by it. A count must be right whatever became of the
  workers meanwhile, and programs that did not ask for one must not trip over it.

  Rule: Who asks for a count of tokens is told it, and nobody else

    Scenario Outline: A client that <asks> is told how many they were
      Given a <backend> deployment with 1 worker that serves 2 requests at a time
      And a client that <asks>
      When the client has its whole answer
      Then the client is told that it received 50 tokens

      @vllm
      Examples: vLLM
        | backend | asks                              |
        | vllm    | streams a chat of 50 tokens       |
        | vllm    | streams a completion of 50 tokens |

      @sglang
      Examples: SGLang
        | backend | asks                              |
        | sglang  | streams a chat of 50 tokens       |
        | sglang  | streams a completion of 50 tokens |

      @trtllm
      Examples: TensorRT-LLM
        | backend | asks                              |
        | trtllm  | streams a chat of 50 tokens       |
        | trtllm  | streams a completion of 50 tokens |

    Scenario Outline: A client that <asks> is told none
      Given a <backend> deployment with 1 worker that serves 2 requests at a time
      And a client that <asks>
      When the client has its whole answer
      Then the client is told no count

      @vllm
      Examples: vLLM
        | backend | asks                                                  |
        | vllm    | streams a chat of 50 tokens without their count       |
        | vllm    | streams a completion of 50 tokens without their count |

      @sglang
      Examples: SGLang
        | backend | asks                                                  |
        | sglang  | streams a chat of 50 tokens without their count       |
        | sglang  | streams a completion of 50 tokens without their count |

      @trtllm
      Examples: TensorRT-LLM
        | backend | asks                                                  |
        | trtllm  | streams a chat of 50 tokens without their count       |
        | trtllm  | streams a completion of 50 tokens without their count |

    @use.with_engine=counting @use.with_engine=real
    Scenario Outline: A client that <asks> is told how many they were, although another worker goes on
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And a client that <asks>
      When the worker that serves the client is killed after 50 tokens
      Then the client receives each of the 200 tokens exactly once
      And exactly 1 migration of a running request is counted
      And the client is told that it received 200 tokens

      @vllm
      Examples: vLLM
        | backend | asks                               |
        | vllm    | streams a chat of 200 tokens       |
        | vllm    | streams a completion of 200 tokens |

      @sglang
      Examples: SGLang
        | backend | asks                               |
        | sglang  | streams a chat of 200 tokens       |
        | sglang  | streams a completion of 200 tokens |

      @trtllm
      Examples: TensorRT-LLM
        | backend | asks                               |
        | trtllm  | streams a chat of 200 tokens       |
        | trtllm  | streams a completion of 200 tokens |

    @use.with_engine=counting @use.with_engine=real
    Scenario Outline: A client that did not ask for a count is told none, also when its answer is moved
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And a client that streams a completion of 200 tokens without their count
      When the worker that serves the client is killed after 50 tokens
      Then the client is told no count
      And exactly 1 migration of a running request is counted

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
