@migration @use.with_engine=counting
Feature: At whatever moment a worker dies, its requests go on
  Machines do not choose their moment. A request whose worker has not begun, one whose answer comes in one piece, one with
  a long prompt, and one that its client gives up just then: each must end as it would have without the failure.

  Rule: A request whose worker dies before the first token is answered in full by another one

    Scenario Outline: A client that <asks> has its answer although its worker died before the first token
      Given a <backend> deployment with 2 workers that take a second to read a prompt and may migrate
      And a client that <asks>
      When the worker that serves the client is killed before the first token
      Then the client receives each of the 50 tokens exactly once
      And exactly 1 migration of a running request is counted

      @vllm
      Examples: vLLM
        | backend | asks                             |
        | vllm    | streams a chat of 50 tokens      |
        | vllm    | awaits a completion of 50 tokens |

      @sglang
      Examples: SGLang
        | backend | asks                             |
        | sglang  | streams a chat of 50 tokens      |
        | sglang  | awaits a completion of 50 tokens |

      @trtllm
      Examples: TensorRT-LLM
        | backend | asks                             |
        | trtllm  | streams a chat of 50 tokens      |
        | trtllm  | awaits a completion of 50 tokens |

    Scenario Outline: Newcomers that are sent to a worker which has just died are answered by the other one
      Given a <backend> deployment with 2 workers that allows 3 migrations, over NATS
      When one worker is killed and 4 newcomers ask, one after the other
      Then each newcomer receives each of the 5 tokens exactly once
      And exactly 1 migration of a request not begun is counted

      @vllm @nats
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang @nats
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm @nats
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    @known_defect
    Scenario Outline: Newcomers whose worker refuses the connection are answered by the other one
      Known defect: Dynamo 1.4.2 does not move a request whose worker refuses the connection: it answers with an error, every
      other time until the lease of the dead worker ends, 10 seconds later.

      Given a <backend> deployment with 2 workers that allows 3 migrations, over TCP
      When one worker is killed and 4 newcomers ask, one after the other
      Then each newcomer receives each of the 5 tokens exactly once

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

    Scenario Outline: A worker that dies as it joins leaves no trap behind
      Given a <backend> deployment with 2 workers that allows 3 migrations, over NATS
      When one more worker joins and is killed as soon as it is listed
      Then the next 6 good requests are served within 2 seconds each

      @vllm @nats
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang @nats
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm @nats
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    @known_defect
    Scenario Outline: A worker that refuses connections as it joins leaves no trap behind
      Known defect: Dynamo 1.4.2 does not move a request whose worker refuses the connection: one request of three is answered
      with an error until the lease of the dead worker ends.

      Given a <backend> deployment with 2 workers that allows 3 migrations, over TCP
      When one more worker joins and is killed as soon as it is listed
      Then the next 6 good requests are served within 2 seconds each

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

  Rule: However an answer was asked for, another worker completes it word for word

    Scenario Outline: A killed worker costs a client that <asks> nothing
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And a client that <asks>
      When the worker that serves the client is killed while it generates
      Then the client receives each of the 200 tokens exactly once
      And exactly 1 migration of a running request is counted

      @vllm
      Examples: vLLM
        | backend | asks                                      |
        | vllm    | streams a chat of 200 tokens              |
        | vllm    | awaits a chat of 200 tokens               |
        | vllm    | awaits a completion of 200 tokens         |
        | vllm    | streams 200 tokens after a prompt of 2000 |

      @sglang
      Examples: SGLang
        | backend | asks                                      |
        | sglang  | streams a chat of 200 tokens              |
        | sglang  | awaits a chat of 200 tokens               |
        | sglang  | awaits a completion of 200 tokens         |
        | sglang  | streams 200 tokens after a prompt of 2000 |

      @trtllm
      Examples: TensorRT-LLM
        | backend | asks                                      |
        | trtllm  | streams a chat of 200 tokens              |
        | trtllm  | awaits a chat of 200 tokens               |
        | trtllm  | awaits a completion of 200 tokens         |
        | trtllm  | streams 200 tokens after a prompt of 2000 |

  Rule: A request that its client gives up while it is being moved ends everywhere within 2 seconds

    Scenario Outline: A client that leaves while its answer is being moved is worked for no longer
      Given a <backend> deployment with 2 workers that take a second to read a prompt and may migrate
      And a client that streams 400 tokens
      When the client leaves while its answer is being moved
      Then within 2 seconds no worker holds anything for it
      And exactly 1 cancellation of a streamed completion is counted
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
