@cancellation
Feature: A request that nobody waits for ends
  People close the window and programs give up. An answer that nobody reads must not hold a place
  that someone else waits for, and operators must see how many there were.

  Cancellations are counted where clients leave, at the frontend. What Dynamo 1.4.2 counts at its workers is
  in the evidence and is not judged: about 1 request in 100 is counted never, or twice, or although it completed.

  Rule: Within 2 seconds of a client leaving, its worker stops and its slot serves someone else

    @use.with_engine=counting @use.with_engine=real
    Scenario Outline: A client that <asks> and leaves disturbs nobody
      Given a <backend> deployment with 1 worker that serves 2 requests at a time
      And a neighbour that streams 300 tokens
      And a client that <asks>
      And a newcomer that waits for its turn
      When the client leaves while its answer is being generated
      Then its worker stops generating within 2 seconds
      And the newcomer is served within 2 seconds
      And the neighbour receives each of the 300 tokens exactly once
      And exactly 1 cancellation is counted

      @vllm @smoke
      Examples: vLLM
        | backend | asks                          |
        | vllm    | streams a chat of 2000 tokens |

      @vllm
      Examples: vLLM
        | backend | asks                               |
        | vllm    | awaits a chat of 2000 tokens       |
        | vllm    | awaits a completion of 2000 tokens |

      @sglang
      Examples: SGLang
        | backend | asks                               |
        | sglang  | streams a chat of 2000 tokens      |
        | sglang  | awaits a chat of 2000 tokens       |
        | sglang  | awaits a completion of 2000 tokens |

      @trtllm
      Examples: TensorRT-LLM
        | backend | asks                               |
        | trtllm  | streams a chat of 2000 tokens      |
        | trtllm  | awaits a chat of 2000 tokens       |
        | trtllm  | awaits a completion of 2000 tokens |

    @known_defect
    Scenario Outline: A place given up by a client that <asks> goes to the next one
      Known defect: the mocker of Dynamo 1.4.2 generates the whole answer for nobody and holds the place until then.

      Given a <backend> deployment with 1 worker whose scheduler serves 1 request at a time
      And a client that <asks>
      And a newcomer that waits for its turn
      When the client leaves while its answer is being generated
      Then its worker stops generating within 2 seconds
      And exactly 1 cancellation is counted
      And the newcomer is served within 2 seconds

      @vllm
      Examples: vLLM
        | backend | asks                                |
        | vllm    | streams a completion of 2000 tokens |

      @sglang
      Examples: SGLang
        | backend | asks                                |
        | sglang  | streams a completion of 2000 tokens |

      @trtllm
      Examples: TensorRT-LLM
        | backend | asks                                |
        | trtllm  | streams a completion of 2000 tokens |
