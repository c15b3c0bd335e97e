@deployment
Feature: Requests that wish for more than an answer
  Some requests are more urgent than others, and some belong to a certain machine. Both wishes must count when they
  matter, which is when there is not enough room for all; and they must not cost the others their answers.

  Rule: Where the urgent go first, they are served within 1 second, and those who wait are served all the same

    @use.with_engine=counting
    Scenario Outline: Urgent requests do not wait in the crowd
      Given a <backend> deployment with 1 worker of 1 place, where the urgent go first
      And 16 clients that ask for 20 tokens again and again
      When an urgent client asks for 20 tokens again and again for 8 seconds on top
      Then 99 of 100 urgent answers are complete within 1 second, while the others take twice as long
      And every request is answered in full
      And no token is lost or repeated

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

  Rule: A request that is meant for one worker waits for it, and others pass by

    @use.with_engine=counting
    Scenario Outline: Who wants a busy worker waits for it while others are served, where requests are spread <spread>
      Given a <backend> deployment with 2 workers of 1 place that get requests <spread>
      And a neighbour that streams 300 tokens
      And a client that wants the worker of the neighbour and streams 20 tokens
      When the neighbour has received 50 tokens
      Then the next 3 good requests are served within 2 seconds each
      And the client was served after the neighbour had its whole answer
      And the client was served by the worker of the neighbour and no other
      And the client receives each of the 20 tokens exactly once

      @vllm
      Examples: vLLM
        | backend | spread    |
        | vllm    | by memory |

      @sglang
      Examples: SGLang
        | backend | spread    |
        | sglang  | by memory |

      @trtllm
      Examples: TensorRT-LLM
        | backend | spread    |
        | trtllm  | by memory |

    @known_defect @use.with_engine=counting
    Scenario Outline: Who wants a worker gets it, also where requests are spread <spread>
      Known defect: Dynamo 1.4.2 does not heed the wish there, and does not say so.

      Given a <backend> deployment with 2 workers of 1 place that get requests <spread>
      And a neighbour that streams 100 tokens
      And a client that wants the worker of the neighbour and streams 20 tokens
      When the neighbour has received 50 tokens
      Then the client receives each of the 20 tokens exactly once
      And the client was served by the worker of the neighbour and no other

      @vllm
      Examples: vLLM
        | backend | spread  |
        | vllm    | in turn |

      @sglang
      Examples: SGLang
        | backend | spread  |
        | sglang  | in turn |

      @trtllm
      Examples: TensorRT-LLM
        | backend | spread  |
        | trtllm  | in turn |
