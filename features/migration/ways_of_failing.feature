@migration @use.with_engine=counting
Feature: However a worker is lost, its answers go on
  A machine that dies is the simple case. Machines also freeze, and lose their links to some or to all of the others. Whoever
  reads an answer should not need to know which it was.

  What takes less than 10 seconds is waited for, as long as a worker is given to show that it lives. That an answer
  waits for a worker which comes back, and that one is moved at once whose connection is refused, is observed, not promised.

  Rule: A worker that comes back within 3 seconds goes on with its answers, which are not moved

    Scenario Outline: A worker that is <lost> for 3 seconds goes on with its answer
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And a client that streams 200 tokens
      When the worker that serves the client is <lost> for 3 seconds after 50 tokens
      Then the client receives each of the 200 tokens exactly once
      And no migration is counted

      @vllm
      Examples: vLLM
        | backend | lost                      |
        | vllm    | frozen                    |
        | vllm    | cut off from the frontend |
        | vllm    | cut off from everybody    |

      @sglang
      Examples: SGLang
        | backend | lost                      |
        | sglang  | frozen                    |
        | sglang  | cut off from the frontend |
        | sglang  | cut off from everybody    |

      @trtllm
      Examples: TensorRT-LLM
        | backend | lost                      |
        | trtllm  | frozen                    |
        | trtllm  | cut off from the frontend |
        | trtllm  | cut off from everybody    |

  Rule: A worker that is gone is not waited for: within 12 seconds its answers go on elsewhere

    Scenario Outline: An answer whose worker is refused by the frontend goes on elsewhere
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And a client that streams 200 tokens
      When the worker that serves the client is refused by the frontend after 50 tokens
      Then the client receives each of the 200 tokens exactly once
      And none of its tokens comes more than 5 seconds after the one before
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

    @known_defect
    Scenario Outline: An answer whose worker is <lost> goes on elsewhere
      Known defect: in Dynamo 1.4.2 an answer that has begun waits for its worker for ever, without a migration or an error.

      Given a <backend> deployment with 2 workers that allows 3 migrations
      And a client that streams 200 tokens
      When the worker that serves the client is <lost> after 50 tokens
      Then within 12 seconds the answer of the client goes on

      @vllm
      Examples: vLLM
        | backend | lost                      |
        | vllm    | frozen                    |
        | vllm    | cut off from the frontend |
        | vllm    | cut off from everybody    |

      @sglang
      Examples: SGLang
        | backend | lost                      |
        | sglang  | frozen                    |
        | sglang  | cut off from the frontend |
        | sglang  | cut off from everybody    |

      @trtllm
      Examples: TensorRT-LLM
        | backend | lost                      |
        | trtllm  | frozen                    |
        | trtllm  | cut off from the frontend |
        | trtllm  | cut off from everybody    |
