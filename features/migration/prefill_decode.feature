@migration @use.with_engine=counting
Feature: Answers that two workers share survive the loss of either
  With prefill and decode apart, one worker reads the prompt and another one generates. Either may be lost, or both, while
  people wait.

  Rule: As long as one worker of each kind is left, every answer is completed word for word

    Scenario Outline: A killed decode worker costs a stream nothing, over <plane>
      Given a <backend> deployment with 1 prefill and 2 decode workers that allows 3 migrations, over <plane>
      And a client that streams 200 tokens
      When the worker that serves the client is killed after 50 tokens
      Then the client receives each of the 200 tokens exactly once
      And none of its tokens comes more than 5 seconds after the one before
      And exactly 1 migration of a running request is counted

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

    Scenario Outline: A prefill worker killed while it reads costs a stream nothing
      Given a <backend> deployment with 2 prefill and 1 decode workers that take a second each and may migrate
      And a client that streams 50 tokens
      When the worker that reads the prompt of the client is killed
      Then the client receives each of the 50 tokens exactly once

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

    Scenario Outline: A decode and a prefill worker killed at the same moment cost a stream nothing
      Given a <backend> deployment with 2 prefill and 2 decode workers that allows 3 migrations
      And a client that streams 200 tokens
      When the worker that serves the client and one prefill worker are killed after 50 tokens
      Then the client receives each of the 200 tokens exactly once

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

  Rule: Without any prefill worker decode workers go on by themselves

    @known_defect
    Scenario Outline: An answer whose decode worker dies goes on although no prefill worker is left
      Known defect: Dynamo 1.4.2 wants a prefill worker for what it moves, waits for one until its lease ends, and gives up.

      Given a <backend> deployment with 1 prefill and 2 decode workers that allows 3 migrations
      And a client that streams 200 tokens
      When the worker that serves the client and every prefill worker are killed after 50 tokens
      Then the client receives each of the 200 tokens exactly once

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
