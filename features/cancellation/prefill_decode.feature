@cancellation @use.with_engine=counting
Feature: A request that two workers share ends on both
  With prefill and decode apart, one worker reads the prompt and another one generates the answer. A client that leaves
  must free both, wherever its request is just then: a slot that leaks on either side is lost until a restart.

  Rule: Within 2 seconds of a client leaving, neither worker holds anything for it

    Scenario Outline: A client that leaves during the hand-over frees both workers, over <plane>
      Given a <backend> deployment with 1 prefill and 1 decode worker that take a second each, over <plane>
      And a client that <asks>
      When the client leaves while its request is being handed over
      Then within 2 seconds no worker holds anything for it
      And exactly 1 cancellation of <kind> is counted
      And each worker serves newcomers within 4 seconds

      @vllm
      Examples: vLLM
        | backend | asks               | kind                  | plane |
        | vllm    | streams 200 tokens | a streamed completion | TCP   |

      @sglang
      Examples: SGLang
        | backend | asks               | kind                  | plane |
        | sglang  | streams 200 tokens | a streamed completion | TCP   |

      @trtllm
      Examples: TensorRT-LLM
        | backend | asks               | kind                  | plane |
        | trtllm  | streams 200 tokens | a streamed completion | TCP   |

      @vllm @nats
      Examples: vLLM
        | backend | asks              | kind                  | plane |
        | vllm    | awaits 200 tokens | an awaited completion | NATS  |

      @sglang @nats
      Examples: SGLang
        | backend | asks              | kind                  | plane |
        | sglang  | awaits 200 tokens | an awaited completion | NATS  |

      @trtllm @nats
      Examples: TensorRT-LLM
        | backend | asks              | kind                  | plane |
        | trtllm  | awaits 200 tokens | an awaited completion | NATS  |

    Scenario Outline: A client that <asks> and leaves during decode frees both workers, over <plane>
      Given a <backend> deployment with 1 prefill and 1 decode worker, over <plane>
      And a client that <asks>
      When the client hangs up while its answer is being generated
      Then within 2 seconds no worker holds anything for it
      And exactly 1 cancellation of <kind> is counted
      And each worker serves newcomers within 2 seconds

      @vllm
      Examples: vLLM
        | backend | asks                | kind                  | plane |
        | vllm    | streams 2000 tokens | a streamed completion | TCP   |
        | vllm    | awaits 2000 tokens  | an awaited completion | TCP   |

      @sglang
      Examples: SGLang
        | backend | asks                | kind                  | plane |
        | sglang  | streams 2000 tokens | a streamed completion | TCP   |
        | sglang  | awaits 2000 tokens  | an awaited completion | TCP   |

      @trtllm
      Examples: TensorRT-LLM
        | backend | asks                | kind                  | plane |
        | trtllm  | streams 2000 tokens | a streamed completion | TCP   |
        | trtllm  | awaits 2000 tokens  | an awaited completion | TCP   |

      @vllm @nats
      Examples: vLLM
        | backend | asks                | kind                  | plane |
        | vllm    | streams 2000 tokens | a streamed completion | NATS  |

      @sglang @nats
      Examples: SGLang
        | backend | asks                | kind                  | plane |
        | sglang  | streams 2000 tokens | a streamed completion | NATS  |

      @trtllm @nats
      Examples: TensorRT-LLM
        | backend | asks                | kind                  | plane |
        | trtllm  | streams 2000 tokens | a streamed completion | NATS  |

    @known_defect
    Scenario Outline: A client that leaves during prefill frees its worker, over <plane>
      Known defect: Dynamo 1.4.2 does not tell the prefill worker, which reads the whole prompt for nobody; then the
      dead request is sent on to a decode worker, where it ends.

      Given a <backend> deployment with 1 prefill and 1 decode worker that take 4 seconds each, over <plane>
      And a client that streams 200 tokens
      When the client leaves while its prompt is being read
      Then within 2 seconds no worker holds anything for it

      @vllm
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

    @known_defect
    Scenario Outline: A client that leaves during prefill is counted once
      Known defect: Dynamo 1.4.2 counts it twice at the frontend: when its connection ends, and when decode ends.

      Given a <backend> deployment with 1 prefill and 1 decode worker that take a second each, over TCP
      And a client that streams 200 tokens
      When the client leaves while its prompt is being read
      Then within 4 seconds no worker holds anything for it
      And each worker serves newcomers within 4 seconds
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
