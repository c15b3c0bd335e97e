@cancellation @use.with_engine=counting
Feature: At whatever moment a client leaves, its request ends once
  People change their mind before the first word, while they wait in a queue, or as the answer is about to end. Each of
  these requests must end once, be counted once, and cost nobody else anything.

  Rule: Whoever leaves before the first token is worked for no longer

    Scenario Outline: A client that <asks> and leaves before the first token frees its place
      Given a <backend> deployment with 1 worker that takes a second to read a prompt
      And a client that <asks>
      When the client leaves before its first token
      Then within 2 seconds no worker holds anything for it
      And not one token is generated for the client
      And exactly 1 cancellation of <kind> is counted

      @vllm
      Examples: vLLM
        | backend | asks                              | kind                  |
        | vllm    | streams a chat of 200 tokens      | a streamed chat       |
        | vllm    | awaits a completion of 200 tokens | an awaited completion |

      @sglang
      Examples: SGLang
        | backend | asks                              | kind                  |
        | sglang  | streams a chat of 200 tokens      | a streamed chat       |
        | sglang  | awaits a completion of 200 tokens | an awaited completion |

      @trtllm
      Examples: TensorRT-LLM
        | backend | asks                              | kind                  |
        | trtllm  | streams a chat of 200 tokens      | a streamed chat       |
        | trtllm  | awaits a completion of 200 tokens | an awaited completion |

  Rule: Whoever leaves a queue costs 20 tokens at most, and the queue moves up

    Scenario Outline: A newcomer that leaves the queue of a full worker makes room for the next one
      Given a <backend> deployment with 1 worker that serves 1 request at a time
      And a neighbour that streams 100 tokens
      And a newcomer that waits for its turn
      And a late client that waits for its turn
      When the newcomer leaves while it waits for its turn
      Then the late client receives each of the 5 tokens exactly once
      And the neighbour receives each of the 100 tokens exactly once
      And not one token is generated for the newcomer
      And exactly 1 cancellation of a streamed completion is counted
      And within 2 seconds no worker holds anything for it

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

    Scenario Outline: A newcomer that leaves while its worker makes it wait costs 20 tokens at most
      Given a <backend> deployment with 1 worker that takes 1 request and lets 2 wait, over TCP
      And a neighbour that is let in and streams 300 tokens
      And a newcomer that is let in and streams 500 tokens
      And a late client that is let in and streams 5 tokens
      When the newcomer leaves while it waits for its turn
      Then the late client receives each of the 5 tokens exactly once
      And the neighbour receives each of the 300 tokens exactly once
      And at most 20 tokens are generated for the newcomer
      And within 2 seconds no worker holds anything for it

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
    Scenario Outline: A newcomer that leaves while its worker makes it wait never reaches the engine
      Known defect: Dynamo 1.4.2 hands the dead request to the engine when its turn comes, which ends it at once.

      Given a <backend> deployment with 1 worker that takes 1 request and lets 2 wait, over TCP
      And a neighbour that is let in and streams 300 tokens
      And a newcomer that is let in and streams 5 tokens
      When the newcomer leaves while it waits for its turn
      Then the neighbour receives each of the 300 tokens exactly once
      And within 2 seconds no worker holds anything for it
      And no worker ever takes up the request of the newcomer

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
    Scenario Outline: A newcomer that leaves while its worker makes it wait is counted once
      Known defect: Dynamo 1.4.2 counts it twice: when its connection ends, and when its turn would have come.

      Given a <backend> deployment with 1 worker that takes 1 request and lets 2 wait, over TCP
      And a neighbour that is let in and streams 300 tokens
      And a newcomer that is let in and streams 5 tokens
      When the newcomer leaves while it waits for its turn
      Then the neighbour receives each of the 300 tokens exactly once
      And within 2 seconds no worker holds anything for it
      And exactly 1 cancellation of a streamed completion is counted

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

  Rule: A request has exactly one outcome, and is counted once

    Scenario Outline: Whoever leaves at the last token is counted as answered or as cancelled
      Given a <backend> deployment with 1 worker that serves 2 requests at a time
      When 20 clients leave as the last token of their answers comes
      Then each of them is counted exactly once, as answered or as cancelled
      And within 2 seconds no worker holds anything for it

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

    Scenario Outline: Whoever asks again at once under the name of a request just cancelled is answered
      Given a <backend> deployment with 1 worker that serves 1 request at a time
      And a client that streams 2000 tokens
      When the client leaves and a newcomer asks at once under the same name
      Then the newcomer is served within 2 seconds
      And the newcomer receives each of the 5 tokens exactly once
      And exactly 1 cancellation of a streamed completion is counted

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

    Scenario Outline: Two requests of the same name that are cancelled count twice
      Given a <backend> deployment with 1 worker that serves 2 requests at a time
      And a client that streams 2000 tokens
      And a neighbour that streams 2000 tokens under the same name
      When the client and the neighbour leave while their answers are being generated
      Then within 2 seconds no worker holds anything for it
      And exactly 2 cancellations are counted

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

    Scenario Outline: Of two clients that use the same name, the one that stays has its answer
      Given a <backend> deployment with 1 worker that serves 2 requests at a time
      And a client that streams 2000 tokens
      And a neighbour that streams 150 tokens under the same name
      When the client leaves while its answer is being generated
      Then the neighbour receives each of the 150 tokens exactly once
      And exactly 1 cancellation is counted

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
