@cancellation
Feature: A request that nobody waits for ends
  People close the window and programs give up. An answer that nobody reads must not hold a place
  that someone else waits for, and operators must see how many there were.

  Cancellations are counted where clients leave, at the frontend. What Dynamo 1.4.2 counts at its workers is
  in the evidence and is not judged: about 1 request in 100 is counted never, or twice, or although it completed.

  Rule: Within 2 seconds of a client leaving, its worker stops and its slot serves someone else

    @use.with_engine=counting @use.with_engine=real
    Scenario Outline: A client that <asks> over <plane> and leaves disturbs nobody
      Given a <backend> deployment with 1 worker that serves 2 requests at a time, over <plane>
      And a neighbour that streams 150 tokens
      And a client that <asks>
      And a newcomer that waits for its turn
      When the client leaves while its answer is being generated
      Then its worker stops generating within 2 seconds
      And the newcomer is served within 2 seconds
      And the neighbour receives each of the 150 tokens exactly once
      And exactly 1 cancellation of <kind> is counted
      And within 2 seconds no worker holds anything for it

      @vllm @smoke
      Examples: vLLM
        | backend | asks                          | kind            | plane |
        | vllm    | streams a chat of 2000 tokens | a streamed chat | TCP   |

      @vllm
      Examples: vLLM
        | backend | asks                                | kind                  | plane |
        | vllm    | awaits a chat of 2000 tokens        | an awaited chat       | TCP   |
        | vllm    | streams a completion of 2000 tokens | a streamed completion | TCP   |
        | vllm    | awaits a completion of 2000 tokens  | an awaited completion | TCP   |

      @sglang
      Examples: SGLang
        | backend | asks                                | kind                  | plane |
        | sglang  | streams a chat of 2000 tokens       | a streamed chat       | TCP   |
        | sglang  | awaits a chat of 2000 tokens        | an awaited chat       | TCP   |
        | sglang  | streams a completion of 2000 tokens | a streamed completion | TCP   |
        | sglang  | awaits a completion of 2000 tokens  | an awaited completion | TCP   |

      @trtllm
      Examples: TensorRT-LLM
        | backend | asks                                | kind                  | plane |
        | trtllm  | streams a chat of 2000 tokens       | a streamed chat       | TCP   |
        | trtllm  | awaits a chat of 2000 tokens        | an awaited chat       | TCP   |
        | trtllm  | streams a completion of 2000 tokens | a streamed completion | TCP   |
        | trtllm  | awaits a completion of 2000 tokens  | an awaited completion | TCP   |

      @vllm @nats
      Examples: vLLM
        | backend | asks                               | kind                  | plane |
        | vllm    | streams a chat of 2000 tokens      | a streamed chat       | NATS  |
        | vllm    | awaits a completion of 2000 tokens | an awaited completion | NATS  |

      @sglang @nats
      Examples: SGLang
        | backend | asks                               | kind                  | plane |
        | sglang  | streams a chat of 2000 tokens      | a streamed chat       | NATS  |
        | sglang  | awaits a completion of 2000 tokens | an awaited completion | NATS  |

      @trtllm @nats
      Examples: TensorRT-LLM
        | backend | asks                               | kind                  | plane |
        | trtllm  | streams a chat of 2000 tokens      | a streamed chat       | NATS  |
        | trtllm  | awaits a completion of 2000 tokens | an awaited completion | NATS  |

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
